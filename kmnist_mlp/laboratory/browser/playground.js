/* The playground: guided tasks, settings, curves of several runs; images, diagram, confusion matrix and weights of the
 * network in training. Validation images are shown until those for test are measured. */
'use strict';
function startPlayground(root, images, content) {
  const $ = (selector) => root.querySelector(selector), form = $('form');
  const CHOICES = {
    rate: [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5], gamma: [0, 0.5, 0.9, 0.99], batch: [1, 16, 32, 64, 128, 256, 1000],
    L1: [0, 0.001, 0.01, 0.1], L2: [0, 0.001, 0.05, 0.2, 0.5, 2], distortion: [0, 0.5, 1, 1.5],
  };
  const DEFAULTS = { hidden: '128', activation: 'tanh', rate: '0.0005', gamma: '0.9', batch: '128', L1: '0', L2: '0', distortion: '0', seed: '0' };
  const LARGEST = { rate: 10, gamma: 0.999, batch: 2000, L1: 100, L2: 100, distortion: 3, seed: 9999 }; // of a number; the least is 0, of a batch 1
  const ALLOWED = { hidden: 'up to three layers of 1 to 512 units', seed: 'a whole number from 0 to 9999' };
  const LARGEST_LOSS = 0.4; // at the top of the chart; that of a guess among ten classes is 0.23
  const EPOCHS = content.example.at(-1)[0], GUESS = Math.log(images.classes) / images.classes; // of the example; loss of equal guessing
  const COLOURS = ['--blue', '--orange', '--green', '--purple', '--sky'], DASHES = ['', '8 3', '8 3 2 3', '2 3', '12 3 2 3 2 3'];
  for (const [name, values] of Object.entries(CHOICES)) form[name].replaceChildren(...values.map((value) => new Option(value, value)));

  // ---- settings, and in the address ----
  /* What a text means for a setting, or undefined: one rule for the fields and the address. */
  function valueOf(name, text) {
    if (name === 'activation') return [...form.activation.options].map((option) => option.value).find((value) => value.toLowerCase() === text.trim().toLowerCase());
    if (name === 'hidden') {
      const layers = text.split(',').map((units) => units.trim()).filter(Boolean).map(Number);
      return layers.length <= 3 && layers.every((units) => Number.isInteger(units) && units >= 1 && units <= 512) ? layers : undefined;
    }
    const number = text.trim() ? Number(text) : NaN, whole = ['batch', 'seed'].includes(name);
    return number >= (name === 'batch' ? 1 : 0) && number <= LARGEST[name] && (Number.isInteger(number) || !whole) ? Math.abs(number) : undefined;
  }
  /* All settings by name, or null if a field holds something else. */
  function settings() {
    const found = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, valueOf(name, form[name].value)]));
    for (const [name, value] of Object.entries(found)) form[name].setCustomValidity(value === undefined ? ALLOWED[name] ?? 'a number within its range' : '');
    return Object.values(found).includes(undefined) ? null : found;
  }
  /* Put settings, by default those of the address, into the fields; return those that are none. */
  function fill(given = new URLSearchParams(location.hash.includes('=') ? location.hash.slice(1) : '')) {
    const refused = [];
    for (const [name, usual] of Object.entries(DEFAULTS)) {
      const wanted = given.get(name) ?? usual, field = form[name], value = valueOf(name, wanted);
      if (value === undefined) refused.push(`${name}=${wanted}`);
      const text = [value ?? usual].flat().join(', ');
      if (field.options && ![...field.options].some((option) => option.value === text)) field.add(new Option(text, text));
      field.value = text;
    }
    return refused;
  }
  function toAddress(values) {
    const changed = Object.keys(DEFAULTS).filter((name) => String(values[name]) !== DEFAULTS[name]);
    history.replaceState(null, '', changed.length ? `#${new URLSearchParams(changed.map((name) => [name, values[name]]))}` : location.pathname + location.search);
  }
  const described = (s) => `${s.hidden.join('-') || 'no hidden layer'}, ${s.activation}, rate ${s.rate}` + [['gamma', 0.9, 'momentum'], ['batch', 128, 'batch'], ['L1', 0, 'L1'], ['L2', 0, 'L2'], ['distortion', 0, 'augmentation'], ['seed', 0, 'seed']].filter(([name, usual]) => s[name] !== usual).map(([name, , label]) => `, ${label} ${s[name]}`).join('');
  /* A run as two lines of Python: all its epochs, and the weights of the best one. */
  function pythonOf({ settings: s, history }) {
    const layers = [images.side ** 2, ...s.hidden, images.classes].join(', '), epochs = history.at(-1)?.[0] || EPOCHS;
    const numbers = [['rate', 'learning_rate'], ['gamma', 'momentum_gamma'], ['batch', 'batch_size'], ['L1', 'L1_penalty'], ['L2', 'L2_penalty'], ['distortion', 'distortion'], ['seed', 'seed']];
    const changed = numbers.filter(([name]) => String(s[name]) !== DEFAULTS[name]).map(([name, own]) => `, ${own}=${s[name]}`).join('');
    const config = `Config(layer_specs=(${layers}), activation="${s.activation}"${changed}, epochs=${epochs}, early_stop_epoch=${epochs})`;
    return `from kmnist_mlp import Config, load_kmnist, train\nresult = train(${config}, load_kmnist())`;
  }

  // ---- runs ----
  const worker = new Worker(URL.createObjectURL(new Blob([content.worker], { type: 'text/javascript' })));
  const runs = [];
  let current = null, playing = false, dirty = true, count = 0, notice = '', waiting = null;
  let seen = null, part = 'validation', chosen = 0; // what the worker told last of a network, of which images, and which one is looked at
  function begin() {
    const own = settings();
    if (!own) { form.reportValidity(); $('.place').textContent = `Allowed: ${[...form.elements].find((field) => field.validationMessage).validationMessage}.`; return false; }
    if (waiting) { waiting.done(false); waiting = null; }
    if (current && !current.history.some(([epoch]) => epoch)) runs.splice(runs.indexOf(current), 1); // it was never trained
    current = { number: count++, settings: own, history: [], wrong: new Set() };
    runs.push(current);
    if (runs.length > COLOURS.length) runs.shift();
    worker.postMessage({ kind: 'start', run: current.number, settings: own });
    $('.place').textContent = 'epoch 0';
    dirty = false;
    return true;
  }
  function play(on) {
    if (on && dirty && !begin()) return;
    playing = on;
    $('.play').textContent = on ? 'Pause' : 'Train';
    worker.postMessage(on ? { kind: 'play', until: waiting?.until } : { kind: 'pause' });
  }
  $('.play').addEventListener('click', () => play(!playing));
  $('.step').addEventListener('click', () => { if (!dirty || begin()) { play(false); worker.postMessage({ kind: 'step' }); } });
  $('.new').addEventListener('click', () => { play(false); begin(); });
  $('.test').addEventListener('click', () => { if (untrained()) return void ($('.place').textContent = 'Train first: there is nothing to measure yet.'); play(false); worker.postMessage({ kind: 'test' }); });
  $('.clear').addEventListener('click', () => { runs.splice(0, runs.length, ...(current ? [current] : [])); draw(); });
  const told = (refused = []) => (refused.length ? `Not used, as out of range: ${refused.join(', ')}.` : 'New settings: Train starts a new run.');
  function changed(refused) { if (playing) play(false); dirty = true; $('.place').textContent = told(refused); }
  form.addEventListener('input', () => { const own = settings(); if (own) toAddress(own); changed(); });
  form.addEventListener('submit', (event) => event.preventDefault());
  worker.onmessage = ({ data: state }) => {
    if (state.run !== current?.number) return; // the last word of an earlier run
    const within = state.share && state.share < 1;
    if (state.epoch || state.share) notice = '';
    $('.place').textContent = notice || (state.diverged ? `diverged in epoch ${state.epoch + 1}: the loss is not a finite number` : within ? `epoch ${state.epoch + 1}: ${Math.round(100 * state.share)} % done` : `epoch ${state.epoch}`);
    if (state.diverged && !current.diverged) {
      current.diverged = dirty = true;
      play(false);
      say($('.place').textContent);
    }
    if (state.history) {
      current.history = state.history;
      if (!state.diverged && state.epoch) say(`epoch ${state.epoch}: ${percent(last(current)[4])} of the validation images`);
    }
    if (state.test) { current.test = state.test; say(`epoch ${state.test.epoch}: ${percent(state.test.accuracy)} of the test images`); }
    if (state.history || state.test) draw();
    if (state.predicted) look(state);
    if (waiting && (state.diverged || (state.history && state.epoch >= waiting.until))) {
      if (playing) play(false);
      const { done } = waiting;
      waiting = null;
      done(true);
    }
  };
  const say = (text) => { $('[role=status]').textContent = text; };

  // ---- guided tasks ----
  /* Train all runs of a task, unless the reader does something else, and say what they show. */
  async function guide({ runs: planned, seen: told }, result) {
    const own = [];
    play(false);
    runs.length = 0;
    current = null;
    result.textContent = 'Training: watch the curves below. What was seen will stand here.';
    for (const [options, epochs] of planned) {
      fill(new URLSearchParams(options));
      toAddress(settings());
      if (!begin()) return;
      own.push(current);
      const ended = new Promise((done) => { waiting = { until: epochs, done }; });
      play(true);
      if (!(await ended)) return void (result.textContent = 'Not finished: another run was begun.');
    }
    result.textContent = told(own);
    say(result.textContent);
  }
  $('.tasks').append(...TASKS.map((task, number) => {
    const card = document.createElement('section'), add = (tag, text) => card.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
    add('h3', `${number + 1}. ${task.title}`);
    add('p', task.about);
    add('p', task.look);
    const result = Object.assign(add('p', ''), { className: 'result' });
    const button = Object.assign(add('button', 'Train these'), { type: 'button' });
    card.append(result);
    button.setAttribute('aria-label', `Train these: ${task.title}`);
    button.addEventListener('click', () => guide(task, result));
    return card;
  }));

  // ---- drawing ----
  const SVG = $('svg').namespaceURI;
  const make = (name, properties, text = '') => { const tag = document.createElementNS(SVG, name); Object.entries(properties).forEach(([key, value]) => tag.setAttribute(key, value)); tag.textContent = text; return tag; };
  function chart(svg, column, factor, digits, top) {
    const shown = untrained() ? [{ history: content.example }] : runs, guess = column === 3 ? GUESS : 100 / images.classes;
    const lines = shown.flatMap((run, place) => [[column, ''], [column - 2, '3 3']].map(([own, dash]) => ({ place, dash, points: run.history.map((row) => [row[0], factor * row[own]]) })));
    const epochs = Math.max(1, ...shown.map((run) => last(run)?.[0] ?? 0));
    const at = ([x, y]) => `${(36 + 276 * (x / epochs)).toFixed(1)} ${(180 - 165 * (Math.min(y, top) / top)).toFixed(1)}`;
    svg.replaceChildren(
      ...[0, 0.5, 1].flatMap((share) => { const y = 180 - 165 * share; return [make('path', { d: `M36 ${y}H312`, style: 'stroke: var(--pale)' }), make('text', { x: 32, y: y + 4, 'text-anchor': 'end' }, (share * top).toFixed(digits))]; }),
      make('path', { d: `M36 ${180 - (165 * guess) / top}H312`, style: 'stroke: var(--soft); stroke-dasharray: 1 3' }), make('text', { x: 312, y: 176 - (165 * guess) / top, 'text-anchor': 'end' }, 'equal guessing'),
      make('text', { x: 36, y: 196 }, '0'), make('text', { x: 312, y: 196, 'text-anchor': 'end' }, `epoch ${epochs}`),
      ...lines.map((line) => ({ ...line, points: line.points.filter(([, y]) => !Number.isNaN(y)) })).filter((line) => line.points.length).map((line) => make('path', { d: `M${line.points.map(at).join('L')}`, fill: 'none', style: `stroke: var(${COLOURS[line.place]}); stroke-width: ${line.dash ? 1 : 2}; stroke-dasharray: ${line.dash || DASHES[line.place]}` })),
      ...shown.flatMap((run, place) => { const [x, y] = column === 3 && run.history.length ? at(lowest(run).filter((_, i) => i % 3 === 0)).split(' ') : []; return x ? [make('circle', { cx: x, cy: y, r: 4, style: `fill: var(--ground); stroke: var(${COLOURS[place]}); stroke-width: 2` })] : []; }),
      ...(untrained() ? [make('text', { x: 174, y: 12, 'text-anchor': 'middle' }, 'an example, until you train')] : []),
    );
  }
  const untrained = () => !runs.some((run) => run.history.some(([epoch]) => epoch));
  function draw() {
    chart($('.loss'), 3, 1, 2, LARGEST_LOSS);
    chart($('.accuracy'), 4, 100, 0, 100);
    $('.runs').replaceChildren(...(untrained() ? [] : runs).map((run, place) => {
      const item = document.createElement('li'), end = last(run);
      item.style.setProperty('--own', `var(${COLOURS[place]})`);
      item.textContent = described(run.settings) + (run.diverged ? `: diverged in epoch ${end[0]}` : end ? `: ${percent(end[4])} of the validation images classified correctly after ${end[0]} epoch${end[0] === 1 ? '' : 's'}` : '') + (run.test ? `; test: ${percent(run.test.accuracy)}, loss ${loss(run.test.loss)}, with the weights of epoch ${run.test.epoch}` : '');
      return item;
    }));
    if (untrained()) $('.runs').append(Object.assign(document.createElement('li'), { textContent: `Example: 128, tanh, rate 0.0005, on images of KMNIST: ${percent(content.example.at(-1)[4])} of the validation images classified correctly after ${EPOCHS} epochs` }));
    const tested = runs.filter((run) => run.test).length;
    if (tested > 1) $('.tested').textContent = `${tested} runs were measured on test images. Whoever now picks the best of them chooses by test images: its accuracy is biased upwards, and no unseen image is left to say by how much.`;
    $('.weights').parentElement.hidden = untrained();
    if (current) Object.assign($('.python code'), { textContent: pythonOf(current), tabIndex: 0 });
  }
  function paint(canvas, columns, rows, cell, tile) {
    canvas.width = columns * cell;
    canvas.height = rows * cell;
    const context = canvas.getContext('2d'), image = context.createImageData(canvas.width, canvas.height);
    for (let t = 0; t < columns * rows; t++) tile(t, (x, y, r, g, b) => image.data.set([r, g, b, 255], 4 * ((Math.floor(t / columns) * cell + y) * canvas.width + (t % columns) * cell + x)));
    context.putImageData(image, 0, 0);
  }
  function drawWeights(weights, units) {
    const side = images.side, shown = Math.min(units, 32);
    paint($('.weights'), 8, Math.ceil(shown / 8), side + 2, (unit, set) => {
      if (unit >= shown) return;
      let largest = 1e-9;
      for (let i = 0; i < side * side; i++) largest = Math.max(largest, Math.abs(weights[i * units + unit]));
      for (let i = 0; i < side * side; i++) {
        const w = weights[i * units + unit] / largest, pale = 255 * (1 - Math.abs(w));
        set(i % side, Math.floor(i / side), w > 0 ? 255 : pale, pale, w > 0 ? pale : 255);
      }
    });
  }
  function drawTests(predicted) {
    const { side } = images, { pixels, labels } = images[part], size = side * side, before = part === 'validation' ? current.wrong : new Set();
    paint($('.tests'), 8, Math.ceil(shownImages() / 8), side + 6, (t, set) => {
      if (t >= shownImages()) return;
      const wrong = predicted[t] !== labels[t], frame = wrong ? [213, 94, 0] : before.has(t) ? [0, 158, 115] : [255, 255, 255];
      for (let y = 0; y < side + 4; y++) for (let x = 0; x < side + 4; x++) {
        const inside = x >= 2 && y >= 2 && x < side + 2 && y < side + 2, ink = inside ? 255 - pixels[t * size + (y - 2) * side + x - 2] : 255;
        if (inside) set(x, y, ink, ink, ink); else set(x, y, ...frame);
      }
    });
    if (part === 'validation') current.wrong = new Set([...predicted.keys()].filter((t) => predicted[t] !== labels[t]));
  }
  function drawConfusion(predicted) {
    const { labels } = images[part], names = content.classes.map(({ name }) => name), rows = names.map(() => names.map(() => 0));
    predicted.forEach((answer, i) => { rows[labels[i]][answer] += 1; });
    const cell = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties), head = (k, scope) => cell('th', names[k], { scope, lang: 'ja', title: content.classes[k].reading });
    const line = (...cells) => { const row = document.createElement('tr'); row.append(...cells); return row; };
    $('.confusion').replaceChildren(line(cell('td', ''), ...names.map((_, k) => head(k, 'col'))), ...rows.map((row, k) => line(head(k, 'row'), ...row.map((n, j) => {
      const own = cell('td', n || ''), share = Math.round((50 * n) / Math.max(1, row.reduce((a, b) => a + b)));
      own.style.background = `color-mix(in srgb, var(${j === k ? '--blue' : '--orange'}) ${j === k ? share : Math.min(50, 3 * share)}%, transparent)`;
      return own;
    }))));
  }

  // ---- one image: its label, its prediction, and what it does in the network ----
  const shownImages = () => Math.min(64, images[part].labels.length), nameOf = (k) => [content.classes[k].name, content.classes[k].reading].filter((text, i, all) => all.indexOf(text) === i).join(' ');
  function choose(number) {
    chosen = Math.min(Math.max(number, 0), shownImages() - 1);
    const { labels } = images[part], answer = seen.predicted[chosen], rows = Math.ceil(shownImages() / 8);
    $('.images .cursor').style.cssText = `left: ${12.5 * (chosen % 8)}%; top: ${(100 * Math.floor(chosen / 8)) / rows}%; height: ${100 / rows}%`;
    $('.chosen').textContent = `Image ${chosen + 1}: ${nameOf(labels[chosen])}; classified as ${nameOf(answer)}, probability ${Math.round(100 * seen.largest[chosen])} %`;
    drawDiagram();
  }
  function drawDiagram() {
    const { network } = seen, size = images.side ** 2, pixels = images[part].pixels.subarray(chosen * size, (chosen + 1) * size);
    const outputs = network.forward(standardised(pixels, images.mean, images.std), 1), depth = network.W.length;
    const sign = (value) => `var(${value > 0 ? '--orange' : '--blue'})`, picture = document.createElement('canvas');
    paint(picture, 1, 1, images.side, (_, set) => pixels.forEach((grey, i) => set(i % images.side, Math.floor(i / images.side), 255 - grey, 255 - grey, 255 - grey)));
    const columns = outputs.map((values, l) => {
      const count = l === 0 ? 1 : l === depth ? values.length : Math.min(8, values.length), x = 68 + (164 * l) / depth;
      return Array.from({ length: count }, (_, i) => [x, l === 0 ? 106 : 12 + (188 * (i + 0.5)) / count]);
    });
    const lines = network.W.flatMap((W, l) => {
      const units = network.layers[l + 1], largest = W.reduce((most, w) => Math.max(most, Math.abs(w)), 1e-9);
      return columns[l].flatMap((from, i) => columns[l + 1].map((to, j) => make('path', { d: `M${from}L${to}`, style: l ? `stroke: ${sign(W[i * units + j])}; stroke-opacity: ${Math.min(1, (2 * Math.abs(W[i * units + j])) / largest).toFixed(2)}` : 'stroke: var(--pale)' })));
    });
    const circles = columns.slice(1, -1).flatMap((column, l) => {
      const values = outputs[l + 1], largest = values.reduce((most, a) => Math.max(most, Math.abs(a)), 1e-9);
      return column.flatMap(([x, y], i) => [make('circle', { cx: x, cy: y, r: 8, style: 'fill: var(--ground); stroke: var(--soft)' }), make('circle', { cx: x, cy: y, r: 8, style: `fill: ${sign(values[i])}; fill-opacity: ${(Math.abs(values[i]) / largest).toFixed(2)}` })]);
    });
    const best = outputs.at(-1).indexOf(Math.max(...outputs.at(-1)));
    const bars = columns.at(-1).flatMap(([x, y], k) => [make('rect', { x: x + 20, y: y - 5, width: (66 * outputs.at(-1)[k]).toFixed(1), height: 10, style: `fill: var(${k === best ? '--blue' : '--sky'})` }), make('text', { x: x + 4, y: y + 4, lang: 'ja' }, content.classes[k].name)]);
    const below = columns.map(([[x]], l) => make('text', { x: l ? x : 38, y: 216, 'text-anchor': l === depth ? 'start' : 'middle' }, network.layers[l])), more = columns.flatMap((column, l) => (l && column.length < network.layers[l] ? [make('text', { x: column[0][0], y: 230, 'text-anchor': 'middle' }, `(${column.length} shown)`)] : []));
    $('.diagram').replaceChildren(...lines, ...circles, ...bars, ...below, ...more, make('text', { x: 38, y: 230, 'text-anchor': 'middle' }, `${images.side} × ${images.side}`), make('image', { x: 8, y: 76, width: 60, height: 60, href: picture.toDataURL(), style: 'image-rendering: pixelated' }));
  }
  /* Show what a network says about all images of a part, and about the chosen one. */
  function look(state) {
    seen = { ...state, network: new Network(state.layers, state.activation, state.W, state.b) };
    part = state.test ? 'test' : 'validation';
    root.querySelectorAll('.which').forEach((word) => { word.textContent = /^[A-Z]/.test(word.textContent) ? part[0].toUpperCase() + part.slice(1) : part; });
    $('.untrained').hidden = Boolean(state.epoch || state.share);
    drawWeights(state.weights, state.layers[1]);
    drawTests(state.predicted);
    drawConfusion(state.predicted);
    choose(chosen);
    handOver();
  }
  const grid = $('.images'), MOVES = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -8, ArrowDown: 8 };
  for (const kind of ['pointermove', 'pointerdown']) {
    grid.addEventListener(kind, ({ clientX, clientY }) => {
      const box = grid.getBoundingClientRect(), place = 8 * Math.floor((clientY - box.top) / (box.width / 8)) + Math.min(7, Math.floor((8 * (clientX - box.left)) / box.width));
      if (seen && place !== chosen && place >= 0 && place < shownImages()) choose(place);
    });
  }
  grid.addEventListener('keydown', (event) => {
    if (!(event.key in MOVES) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const place = chosen + MOVES[event.key];
    if (seen && place >= 0 && place < shownImages()) choose(place);
  });

  // ---- the network on the pad, and in Python ----
  const own = $('.own'), host = $('.drawing-pad');
  /* Give the pad the network that is shown, once the reader has opened it. */
  function handOver() {
    if (!own.open || !seen) return;
    const { least, rejected, passing } = seen.threshold, network = { network: seen.network, mean: images.mean, std: images.std, least };
    const about = `The network above reads this drawing, as it is after epoch ${seen.test?.epoch ?? seen.epoch}. If the most probable character has less than ${percent(least)}, the pad says "none of these". This rejects ${percent(rejected)} of the validation images; of ${SCRIBBLES} scribbles drawn at random, ${Math.round(SCRIBBLES * passing)} pass. No other threshold makes both errors together smaller.`;
    if (host.pad) host.pad.use(network, about);
    else host.ready ??= startPad(host, { ...content, shape, about, warning: '', images: null, network });
  }
  own.addEventListener('toggle', handOver);
  $('.copy').addEventListener('click', ({ target }) => {
    getSelection().selectAllChildren($('.python code'));
    document.execCommand('copy'); // also in files, where the clipboard of newer scripts may be missing
    target.textContent = 'Copied';
  });

  const refused = fill();
  const { training, validation, test, mean, std, classes } = images, drawings = scribbles(SCRIBBLES, randomFrom(0)), shape = { ...content.shape, side: images.side };
  worker.postMessage({ kind: 'data', inputs: images.side ** 2, classes, training, validation, test, mean, std, noise: Uint8ClampedArray.from(drawings.flatMap((strokes) => [...imageOf(strokes, shape)])) });
  if (begin() && refused.length) notice = told(refused);
  addEventListener('hashchange', () => { if (location.hash.includes('=')) changed(fill()); });
  return { worker, runs };
}

const SCRIBBLES = 100; // in deciding when a drawing is none of the classes

/* Return drawings that are no characters, in turn: lines with corners, a curve, a ring or spiral, a random walk, dots; as
 * in laboratory/in_page.py. */
function scribbles(count, random) {
  const between = (low, high) => low + (high - low) * random(), point = () => [between(0, 100), between(0, 100)];
  const points = () => Array.from({ length: Math.floor(between(2, 12)) }, point), along = (place) => Array.from({ length: 100 }, (_, i) => place(i / 99));
  const kinds = [
    () => [points()],
    () => { const all = points(), last = all.length - 1; return [all.slice(1).flatMap((_, n) => along((t) => bow([n - 1, n, n + 1, n + 2].map((k) => all[Math.min(Math.max(k, 0), last)]), t)))]; },
    () => { const [turns, inner, flat] = [between(7, 25), random() < 0.5 ? 50 : 0, between(0.3, 1)]; return [along((t) => [1, flat].map((scale, k) => scale * (inner + (50 - inner) * t) * Math.cos(turns * t - (k * Math.PI) / 2)))]; },
    () => { const at = [0, 0]; return [along(() => { at.forEach((_, k) => { at[k] += 10 * normal(random); }); return [...at]; })]; },
    () => points().map((dot) => [dot]),
  ];
  return Array.from({ length: count }, (_, n) => kinds[n % kinds.length]());
}
/* The point at t, from 0 to 1, between the middle two of four: the Catmull-Rom spline of datasets/stand_in.py. */
const bow = ([a, b, c, d], t) => a.map((_, k) => b[k] + ((c[k] - a[k]) * t + (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k]) * t ** 2 + (3 * b[k] - a[k] - 3 * c[k] + d[k]) * t ** 3) / 2);

/* Read images that were deflated: all pixels, image by image; `parts` is where those for validation and for test begin. */
async function imagesOf({ pixels, labels, parts, classes }) {
  const all = Float32Array.from(await inflated(pixels)), size = all.length / labels.length, own = Uint8Array.from(labels);
  const part = (from, to) => ({ pixels: all.slice(from * size, to && to * size), labels: own.slice(from, to) });
  const training = part(0, parts[0]);
  return { side: Math.sqrt(size), classes: classes.length, training, validation: part(...parts), test: part(parts[1]), ...statisticsOf(training.pixels, size) };
}
