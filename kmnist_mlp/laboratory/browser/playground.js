/* The playground: settings, curves of several runs, weights and test images of the network in training. */
'use strict';
function startPlayground(root, images, workerSource) {
  const $ = (selector) => root.querySelector(selector), form = $('form');
  const CHOICES = {
    rate: [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5], gamma: [0, 0.5, 0.9, 0.99], batch: [1, 16, 32, 64, 128, 256, 1000],
    L1: [0, 0.001, 0.01, 0.1], L2: [0, 0.001, 0.05, 0.2, 0.5, 2], distortion: [0, 0.5, 1, 1.5],
  };
  const DEFAULTS = { hidden: '128', activation: 'tanh', rate: '0.0005', gamma: '0.9', batch: '128', L1: '0', L2: '0', distortion: '0', seed: '0' };
  const LARGEST = { rate: 10, gamma: 0.999, batch: 2000, L1: 100, L2: 100, distortion: 3, seed: 9999 }; // of a number; the least is 0, of a batch 1
  const ALLOWED = { hidden: 'up to three layers of 1 to 512 units', seed: 'a whole number from 0 to 9999' };
  const LARGEST_LOSS = 0.4; // at the top of the chart; that of a guess among ten classes is 0.23
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
  /* Take the settings of the address; return those that are none. */
  function fromAddress() {
    const given = new URLSearchParams(location.hash.includes('=') ? location.hash.slice(1) : ''), refused = [];
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

  // ---- runs ----
  const worker = new Worker(URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' })));
  const runs = [];
  let current = null, playing = false, dirty = true, count = 0, notice = '';
  function begin() {
    const own = settings();
    if (!own) { form.reportValidity(); $('.place').textContent = `Allowed: ${[...form.elements].find((field) => field.validationMessage).validationMessage}.`; return false; }
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
    worker.postMessage({ kind: on ? 'play' : 'pause' });
  }
  $('.play').addEventListener('click', () => play(!playing));
  $('.step').addEventListener('click', () => { if (!dirty || begin()) { play(false); worker.postMessage({ kind: 'step' }); } });
  $('.new').addEventListener('click', () => { play(false); begin(); });
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
      $('[role=status]').textContent = $('.place').textContent;
    }
    if (state.history) {
      current.history = state.history;
      draw();
      if (!state.diverged && state.epoch) $('[role=status]').textContent = `epoch ${state.epoch}: ${(100 * state.history.at(-1)[4]).toFixed(1)} % of the test images`;
    }
    if (!state.predicted) return;
    drawWeights(state.weights, state.units);
    drawTests(state.predicted);
  };

  // ---- drawing ----
  const SVG = $('svg').namespaceURI;
  const make = (name, properties, text = '') => { const tag = document.createElementNS(SVG, name); Object.entries(properties).forEach(([key, value]) => tag.setAttribute(key, value)); tag.textContent = text; return tag; };
  function chart(svg, column, factor, digits, top) {
    const lines = runs.flatMap((run, place) => [[column, ''], [column - 2, '3 3']].map(([own, dash]) => ({ place, dash, points: run.history.map((row) => [row[0], factor * row[own]]) })));
    const epochs = Math.max(1, ...runs.map((run) => run.history.at(-1)?.[0] ?? 0));
    const at = ([x, y]) => `${(36 + 276 * (x / epochs)).toFixed(1)} ${(180 - 165 * (Math.min(y, top) / top)).toFixed(1)}`;
    svg.replaceChildren(
      ...[0, 0.5, 1].flatMap((share) => { const y = 180 - 165 * share; return [make('path', { d: `M36 ${y}H312`, style: 'stroke: var(--pale)' }), make('text', { x: 32, y: y + 4, 'text-anchor': 'end' }, (share * top).toFixed(digits))]; }),
      make('text', { x: 36, y: 196 }, '0'), make('text', { x: 312, y: 196, 'text-anchor': 'end' }, `epoch ${epochs}`),
      ...lines.map((line) => ({ ...line, points: line.points.filter(([, y]) => !Number.isNaN(y)) })).filter((line) => line.points.length).map((line) => make('path', { d: `M${line.points.map(at).join('L')}`, fill: 'none', style: `stroke: var(${COLOURS[line.place]}); stroke-width: ${line.dash ? 1 : 2}; stroke-dasharray: ${line.dash || DASHES[line.place]}` })),
    );
  }
  function draw() {
    chart($('.loss'), 3, 1, 2, LARGEST_LOSS);
    chart($('.accuracy'), 4, 100, 0, 100);
    $('.runs').replaceChildren(...runs.map((run, place) => {
      const item = document.createElement('li'), last = run.history.at(-1);
      item.style.setProperty('--own', `var(${COLOURS[place]})`);
      item.textContent = described(run.settings) + (run.diverged ? `: diverged in epoch ${last[0]}` : last ? `: ${(100 * last[4]).toFixed(1)} % of the test images classified correctly after ${last[0]} epoch${last[0] === 1 ? '' : 's'}` : '');
      return item;
    }));
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
    const side = images.side, size = side * side, shown = Math.min(64, predicted.length), before = current.wrong;
    paint($('.tests'), 8, Math.ceil(shown / 8), side + 6, (t, set) => {
      if (t >= shown) return;
      const wrong = predicted[t] !== images.testLabels[t], frame = wrong ? [213, 94, 0] : before.has(t) ? [0, 158, 115] : [255, 255, 255];
      for (let y = 0; y < side + 4; y++) for (let x = 0; x < side + 4; x++) {
        const inside = x >= 2 && y >= 2 && x < side + 2 && y < side + 2, ink = inside ? 255 - images.testPixels[t * size + (y - 2) * side + x - 2] : 255;
        if (inside) set(x, y, ink, ink, ink); else set(x, y, ...frame);
      }
    });
    current.wrong = new Set([...predicted.keys()].filter((t) => predicted[t] !== images.testLabels[t]));
  }

  const refused = fromAddress();
  worker.postMessage({ kind: 'data', inputs: images.side ** 2, classes: images.classes, pixels: images.pixels, labels: images.labels, testPixels: images.testPixels, testLabels: images.testLabels });
  if (begin() && refused.length) notice = told(refused);
  addEventListener('hashchange', () => { if (location.hash.includes('=')) changed(fromAddress()); });
  return { worker, runs };
}

/* Read images that were deflated: all pixels, image by image, those for training first. */
async function imagesOf({ pixels, side, labels, training, classes }) {
  const all = Float32Array.from(await inflated(pixels));
  const cut = training * side * side, own = Uint8Array.from(labels);
  return { side, classes, pixels: all.slice(0, cut), labels: own.slice(0, training), testPixels: all.slice(cut), testLabels: own.slice(training) };
}
