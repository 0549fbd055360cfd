/* For tests: put into the page before the playground, it keeps what page and worker tell each other. */
'use strict';
window.Worker = class extends Worker {
  constructor(source) {
    super(source);
    this.addEventListener('message', ({ data }) => told.push(data));
  }
  postMessage(message) {
    asked.push(message);
    super.postMessage(message);
  }
};

// Playwright runs all this within a function
Object.assign(window, { asked: [], told: [], press, curves, pixels });

/* Press "One mini-batch" that often; return what the worker tells after the last. */
async function press(count) {
  const seen = () => told.filter((state) => state.predicted), due = seen().length + count, began = Date.now();
  for (let i = 0; i < count; i++) document.querySelector('.step').click();
  while (seen().length < due) {
    if (Date.now() - began > 120000) throw new Error(`${due - seen().length} of ${count} mini-batches are missing`);
    await new Promise((done) => setTimeout(done, 10));
  }
  const state = seen().at(-1);
  return { ...state, weights: [...state.weights], predicted: [...state.predicted], W: state.W.map((W) => [...W]), b: state.b.map((b) => [...b]) };
}

/* Return the points of the two curves of a chart, thin and thick, one number after the other. */
function curves(chart) {
  const paths = [...document.querySelectorAll(`${chart} path[fill=none]`)].sort((a, b) => a.style.strokeWidth - b.style.strokeWidth);
  return paths.map((path) => path.getAttribute('d').match(/[\d.]+/g).map(Number));
}

/* Return the red, green, blue and opacity of each pixel of a canvas. */
function pixels(canvas) {
  const { width, height } = canvas;
  return [...canvas.getContext('2d').getImageData(0, 0, width, height).data];
}
