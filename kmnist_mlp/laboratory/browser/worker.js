/* Trains in a Web Worker: the page stays alive. Messages in: start, play, pause, step. Messages out: state. */
'use strict';
let data, run, settings, network, initial, random, order, place, epoch, diverged, playing = false, timer = null;
const history = [];

function prepare(given) {
  data = given;
  const { pixels, inputs } = data, n = data.labels.length;
  const sum = new Float64Array(inputs), square = new Float64Array(inputs); // of whole numbers: exact
  pixels.forEach((pixel, i) => { sum[i % inputs] += pixel; square[i % inputs] += pixel ** 2; });
  const mean = sum.map((s) => s / n), std = sum.map((s, i) => Math.sqrt(n * square[i] - s ** 2) / n || 1);
  Object.assign(data, { mean, std, x: standardised(pixels, mean, std), testX: standardised(data.testPixels, mean, std) });
}

function start(given) {
  settings = given;
  network = Network.random([data.inputs, ...settings.hidden, data.classes], settings.activation, settings.seed);
  initial = network.W[0].slice();
  random = randomFrom(settings.seed + 1);
  [order, place, epoch, diverged] = [null, 0, 0, false];
  history.length = 0;
  report(true);
}

function miniBatch() {
  const n = data.labels.length, { inputs } = data, side = Math.sqrt(inputs);
  if (!order || place >= n) { order = shuffled(n, random); place = 0; }
  const rows = order.subarray(place, place + settings.batch), x = new Float32Array(rows.length * inputs), y = new Uint8Array(rows.length);
  rows.forEach((row, i) => {
    y[i] = data.labels[row];
    if (settings.distortion) {
      const bent = new Float32Array(inputs);
      distort(data.pixels.subarray(row * inputs, (row + 1) * inputs), bent, side, settings.distortion, random);
      x.set(standardised(bent, data.mean, data.std), i * inputs);
    } else x.set(data.x.subarray(row * inputs, (row + 1) * inputs), i * inputs);
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
  const state = { run, epoch, diverged, share: place / data.labels.length };
  if (diverged) state.history = history.slice();
  else if (measured) {
    const test = network.evaluate(data.testX, data.testLabels);
    if (point) {
      const train = network.evaluate(data.x.subarray(0, 500 * data.inputs), data.labels.subarray(0, 500));
      history.push([epoch, train.loss, train.accuracy, test.loss, test.accuracy]);
      state.history = history.slice();
    }
    Object.assign(state, { predicted: test.predicted, weights: network.W[0].map((weight, i) => weight - initial[i]), units: network.layers[1] });
  }
  postMessage(state);
}

/* Train for some 50 ms, then let messages in. */
function train() {
  const until = performance.now() + 50;
  let ended = false;
  do ended = miniBatch(); while (!ended && performance.now() < until);
  report(ended);
  if (playing && !diverged) timer = setTimeout(train, 0);
}

onmessage = ({ data: message }) => {
  if (message.kind === 'data') prepare(message);
  if (message.kind === 'start') { clearTimeout(timer); playing = false; run = message.run; start(message.settings); }
  if (message.kind === 'play') { playing = true; train(); }
  if (message.kind === 'pause') { clearTimeout(timer); playing = false; report(false); }
  if (message.kind === 'step' && !diverged) { report(true, miniBatch()); }
};
