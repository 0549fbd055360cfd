/* Trains in a Web Worker: the page stays alive. Messages in: data, start, play, pause, step, test. Messages out: state.
 * Test images are measured on the message "test" alone, and with the weights of the best epoch: of the lowest
 * validation loss. */
'use strict';
let data, run, settings, network, best, initial, random, order, place, epoch, diverged, until, playing = false, timer = null;
const history = [];

function prepare(given) {
  const { mean, std } = given;
  data = given;
  data.noise = standardised(data.noise, mean, std);
  for (const part of ['training', 'validation', 'test']) data[part].x = standardised(data[part].pixels, mean, std);
}

function start(given) {
  settings = given;
  network = Network.random([data.inputs, ...settings.hidden, data.classes], settings.activation, settings.seed);
  initial = network.W[0].slice();
  random = randomFrom(settings.seed + 1);
  [order, place, epoch, diverged] = [null, 0, 0, false];
  history.length = 0;
  best = null;
  report(true);
}

function miniBatch() {
  const { pixels, labels, x: known } = data.training, n = labels.length, { inputs } = data, side = Math.sqrt(inputs);
  if (!order || place >= n) { order = shuffled(n, random); place = 0; }
  const rows = order.subarray(place, place + settings.batch), x = new Float32Array(rows.length * inputs), y = new Uint8Array(rows.length);
  rows.forEach((row, i) => {
    y[i] = labels[row];
    if (settings.distortion) {
      const bent = new Float32Array(inputs);
      distort(pixels.subarray(row * inputs, (row + 1) * inputs), bent, side, settings.distortion, random);
      x.set(standardised(bent, data.mean, data.std), i * inputs);
    } else x.set(known.subarray(row * inputs, (row + 1) * inputs), i * inputs);
  });
  if (!Number.isFinite(network.backward(x, y, rows.length))) {
    diverged = true;
    history.push([epoch + 1, Infinity, NaN, Infinity, NaN]);
    return true;
  }
  network.step(settings);
  place += rows.length;
  if (place >= n) { epoch += 1; return true; }
  return false;
}

/* Tell the page where training is; after an epoch and after a single step, also what it shows; `point` adds to the curves. */
function report(measured, point = measured) {
  const state = { run, epoch, diverged, share: place / data.training.labels.length, playing };
  if (diverged) state.history = history.slice();
  else if (measured) {
    const held = network.evaluate(data.validation.x, data.validation.labels);
    if (point) {
      const { x, labels } = data.training, train = network.evaluate(x.subarray(0, 500 * data.inputs), labels.subarray(0, 500));
      history.push([epoch, train.loss, train.accuracy, held.loss, held.accuracy]);
      state.history = history.slice();
      if (!best || held.loss < best.loss) best = { epoch, loss: held.loss, W: network.W.map((W) => W.slice()), b: network.b.map((b) => b.slice()) };
    }
    show(state, network, held, held);
  }
  postMessage(state);
}

/* Return the largest probability at which the share of validation images below it and the share of scribbles that
 * reach it have the least sum, and both. */
function thresholdOf(network, held) {
  const count = data.noise.length / data.inputs, noise = network.evaluate(data.noise, new Uint8Array(count)).largest;
  const below = (values, least) => values.reduce((sum, p) => sum + (p < least), 0) / values.length;
  const both = Array.from(held.toSorted(), (least) => ({ least, rejected: below(held, least), passing: 1 - below(noise, least) }));
  return both.reduce((best, one) => (one.rejected + one.passing < best.rejected + best.passing ? one : best));
}

/* Add to what the page is told: a network, the change of its first weights, what it says about images, and when a
 * drawing is none of the classes. */
function show(state, network, { predicted, largest }, held) {
  const { layers, activation, W, b } = network;
  Object.assign(state, { predicted, largest, threshold: thresholdOf(network, held.largest), layers, activation, W, b, weights: W[0].map((weight, i) => weight - initial[i]) });
}

/* Measure the network of the best epoch on the test images. */
function test() {
  const state = { run, epoch, diverged, share: place / data.training.labels.length, playing }, chosen = new Network(network.layers, network.activation, best.W, best.b);
  const { loss, accuracy, ...measured } = chosen.evaluate(data.test.x, data.test.labels);
  show(state, chosen, measured, chosen.evaluate(data.validation.x, data.validation.labels));
  postMessage({ ...state, test: { epoch: best.epoch, loss, accuracy } });
}

/* Train for some 50 ms, then let messages in; stop after epoch `until`. */
function train() {
  const due = performance.now() + 50;
  let ended = false;
  do ended = miniBatch(); while (!ended && performance.now() < due);
  if (diverged || (ended && epoch >= until)) playing = false;
  report(ended);
  if (playing) timer = setTimeout(train, 0);
}

onmessage = ({ data: message }) => {
  if (message.kind === 'data') prepare(message);
  if (message.kind === 'start') { clearTimeout(timer); playing = false; run = message.run; start(message.settings); }
  if (message.kind === 'play') { until = message.until ?? Infinity; playing = true; train(); }
  if (message.kind === 'pause') { clearTimeout(timer); playing = false; report(false); }
  if (message.kind === 'step' && !diverged) { report(true, miniBatch()); }
  if (message.kind === 'test' && best) test();
};
