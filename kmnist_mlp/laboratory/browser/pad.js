/*
 * A pad to draw a character on, read by a multilayer perceptron in the page itself.
 *
 *   networkOf   the network of network.js from what Python wrote
 *   imageOf     strokes as an image like those of the data; the same as image_of in in_page.py
 *   scanned     a picture as an image like those of the data
 *   startPad    pen, keys, buttons, picture files, bars
 *
 * All of a pad is in one shadow tree and one closure, so that several on a page are independent and the page's
 * styles stay outside. Nothing is loaded and nothing leaves the page; the drawing is kept as strokes and
 * never read back from a canvas, which some browsers falsify to protect their users. A picture file has to be.
 *
 * A point is [x, y] in hundredths of the pad's side, a stroke a list of points.
 */

/**
 * Return the network that Python wrote, `mean` and `std` of each pixel, empty where each image has its own, and
 * `least`: with a largest probability below it, a drawing is none of the classes.
 *
 * `layers` are the units of each layer; `levels` all weights as whole numbers, layer by layer and each
 * (inputs, outputs) row by row, deflated; `floats` what they are multiples of, a number for each unit; the biases; the
 * means, then the standard deviations.
 */
async function networkOf({ layers, activation, levels, floats, least }) {
  const whole = new Int8Array((await inflated(levels)).buffer), numbers = new Float32Array((await inflated(floats)).buffer);
  const all = layers.slice(1).reduce((sum, units) => sum + units, 0);
  const [factor, shift, pixel] = [numbers.subarray(0, all), numbers.subarray(all, 2 * all), numbers.subarray(2 * all)];
  let [weight, unit] = [0, 0];
  const [W, b] = [[], []];
  layers.slice(1).forEach((units, l) => {
    const [multiples, scale] = [whole.subarray(weight, (weight += layers[l] * units)), factor.subarray(unit, unit + units)];
    W.push(Float32Array.from(multiples, (level, i) => level * scale[i % units]));
    b.push(shift.subarray(unit, (unit += units)));
  });
  const half = pixel.length / 2;
  return { network: new Network(layers, activation, W, b), mean: pixel.subarray(0, half), std: pixel.subarray(half), least };
}

/**
 * Return the image of strokes: side * side grey levels, row by row, white on black.
 *
 * The ink is scaled until the longer side of its bounding box fills the frame, and the box is centred.
 * `radius` is half the width of the pen and `edge` the width of its soft edge, both in pixels of the image;
 * a drawing of a smaller `extent` than that (a dot) is not blown up any further.
 */
function imageOf(strokes, { side, radius, edge, extent }) {
  const image = new Uint8ClampedArray(side * side);
  const points = strokes.flat();
  if (!points.length) return image;
  const low = [0, 1].map((axis) => points.reduce((least, p) => Math.min(least, p[axis]), Infinity));
  const high = [0, 1].map((axis) => points.reduce((most, p) => Math.max(most, p[axis]), -Infinity));
  const scale = (side - 2 * radius) / Math.max(high[0] - low[0], high[1] - low[1], extent);
  const place = (point) => point.map((v, axis) => side / 2 + (v - (low[axis] + high[axis]) / 2) * scale);

  const nearest = new Float64Array(side * side).fill(Infinity); // distance of each pixel's centre to the line
  const reach = radius + edge;
  for (const stroke of strokes) {
    const line = stroke.map(place);
    line.forEach((a, i) => {
      const b = line[Math.min(i + 1, line.length - 1)];
      const way = [b[0] - a[0], b[1] - a[1]];
      const length2 = way[0] ** 2 + way[1] ** 2 || 1;
      const around = (axis) => [
        Math.max(0, Math.floor(Math.min(a[axis], b[axis]) - reach)),
        Math.min(side - 1, Math.ceil(Math.max(a[axis], b[axis]) + reach)),
      ];
      const [left, right] = around(0);
      const [top, bottom] = around(1);
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          const [x, y] = [column + 0.5 - a[0], row + 0.5 - a[1]];
          const t = Math.min(Math.max((x * way[0] + y * way[1]) / length2, 0), 1);
          const distance = Math.hypot(x - t * way[0], y - t * way[1]);
          const pixel = row * side + column;
          if (distance < nearest[pixel]) nearest[pixel] = distance;
        }
      }
    });
  }
  return image.map((_, pixel) => {
    const t = Math.min(Math.max((radius - nearest[pixel]) / edge + 0.5, 0), 1);
    return Math.round(255 * t * t * (3 - 2 * t));
  });
}

const [LARGE, FINE] = [256, 6]; // the longer side of a picture that is scanned; samples along a pixel's side
const THIN = 1.9; // width of a line in pixels; a thinner one is thickened

/**
 * Return a picture, an image or a canvas, as the data has them: the ink bright, its longer side as long as the
 * frame, centred. The ground is the median grey level, and ink what differs from it on the side that differs most.
 */
function scanned(picture, side) {
  const shrink = Math.min(1, LARGE / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((length) => Math.max(1, Math.round(length * shrink)));
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  context.fillStyle = "#fff"; // below what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const grey = Float32Array.from({ length: width * height }, (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
  const median = (values) => values.slice().sort()[values.length >> 1];
  const ground = median(grey);
  const [darkest, brightest] = grey.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [ground, ground]);
  const sign = brightest - ground > ground - darkest ? 1 : -1;
  const noise = Math.min(3 * median(grey.map((v) => Math.abs(v - ground))), 60);
  const range = Math.max(Math.max(brightest - ground, ground - darkest) - noise, 1);
  const ink = grey.map((v) => Math.max(sign * (v - ground) - noise, 0) / range);
  const inked = [...ink.keys()].filter((i) => ink[i] > 0.3);
  const [columns, rows] = [inked.map((i) => i % width), inked.map((i) => Math.floor(i / width))];
  const [left, right, top, bottom] = [columns, rows].flatMap((v) => [v.reduce((a, b) => Math.min(a, b), Infinity), 1 + v.reduce((a, b) => Math.max(a, b), -1)]);
  const scale = Math.max(right - left, bottom - top, 1) / side;
  const at = (low, high, place) => Math.floor((low + high) / 2 + (place / FINE - side / 2) * scale);
  let image = Float32Array.from({ length: inked.length ? side * side : 0 }, (_, pixel) => {
    let sum = 0;
    for (let n = 0; n < FINE * FINE; n++) {
      const x = at(left, right, FINE * (pixel % side) + (n % FINE) + 0.5);
      const y = at(top, bottom, FINE * Math.floor(pixel / side) + Math.floor(n / FINE) + 0.5);
      if (x >= 0 && y >= 0 && x < width && y < height) sum += ink[y * width + x];
    }
    return sum / FINE ** 2;
  });
  const beside = (i, step) => (Math.abs(((i + step) % side) - (i % side)) > 1 ? 0 : image[i + step] ?? 0);
  const area = image.reduce((sum, v) => sum + v, 0);
  const outline = image.reduce((sum, v, i) => sum + Math.abs(v - beside(i, 1)) + Math.abs(v - beside(i, side)), 0);
  if ((2 * area * 4) / Math.PI < THIN * outline) image = image.map((v, i) => Math.max(v, ...[1, -1, side, -side].map((step) => 0.8 * beside(i, step))));
  const most = image.reduce((a, b) => Math.max(a, b), 1e-9);
  return Uint8ClampedArray.from({ length: side * side }, (_, i) => Math.round((255 * (image[i] ?? 0)) / most));
}

const STEP = 3; // of the arrow keys, in hundredths of the pad
const CLOSE = 0.5; // points nearer than this to the last one are left out
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PLAY = 1200; // milliseconds that an example takes
const [FOR, AGAINST] = [[213, 94, 0], [0, 114, 178]]; // colours of pixels that raise and lower the score
const NEAREST = 5; // known images shown
const QUIET = 700; // milliseconds without a change before the answer is spoken

/**
 * Make a pad of the element `host`; what it holds stays visible on paper alone.
 *
 * `network` is what Python wrote, or what networkOf returns. `host.pad` is for the playground, tests and the console:
 * `probabilities(pixels)`, `shares(pixels, class)`, `image()`, `draw(strokes)`, `open(file)`, `use(network, about)`.
 */
async function startPad(host, { markup, font, classes, about, warning, shape, network, images }) {
  if (host.shadowRoot) return;
  const shadow = host.attachShadow({ mode: "open" });
  shadow.innerHTML = markup;
  host.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys are silent while the pad has the focus
  const $ = (selector) => shadow.querySelector(selector);
  if (![...document.fonts].some((face) => /^"?Kana"?$/.test(face.family))) {
    const text = classes.map(({ name }) => name).join("");
    const range = [...text].map((c) => `U+${c.codePointAt(0).toString(16)}`).join(", ");
    document.fonts.add(new FontFace("Kana", `url(${font})`, { unicodeRange: range }));
  }
  let reader = network.levels ? await networkOf(network) : network;
  const probabilitiesOf = (image) => Array.from(reader.network.forward(standardised(image, reader.mean, reader.std), 1).at(-1));
  const sharesOf = (image, k) => Array.from(reader.network.shares(standardised(image, reader.mean, reader.std), k));
  const known = images && { labels: images.labels, pixels: await inflated(images.pixels) };
  const paper = $(".paper");
  const canvas = $(".image");
  for (const own of [canvas, $(".shares")]) own.width = own.height = shape.side;
  [$(".known").width, $(".known").height] = [NEAREST * shape.side, shape.side];
  $(".near").hidden = !images;
  $(".count").textContent = images?.labels.length;
  $(".size").textContent = `${shape.side} × ${shape.side}`;
  $(".about").textContent = about;
  $(".banner").textContent = warning;
  $(".banner").hidden = !warning;

  let strokes = [];
  let unread = ""; // why the last picture file is not shown
  let picture = null; // of a file, instead of strokes: its image, and its address to be shown
  const imageNow = () => picture?.image ?? imageOf(strokes, shape);
  let pen = null; // what holds the pen down: a pointer's number, "key", or nothing
  let cursor = [50, 50]; // of the keyboard
  let moved = false; // whether the cursor moved since Space set the pen down
  const pressed = new Set(); // arrow keys
  let answer = "";
  let [frame, player, quiet] = [0, 0, 0]; // what is due: a picture, the next of an example, the spoken answer

  // ---- the answer --------------------------------------------------------------------------------

  const row = $(".bars li");
  const bars = classes.map(({ name, reading, examples }) => {
    const bar = row.parentNode.appendChild(row.cloneNode(true));
    bar.hidden = false;
    const button = bar.querySelector(".kana");
    const label = Object.assign(document.createElement("b"), { textContent: name });
    button.append(label, reading);
    let shown = 0;
    const play = () => playBack(examples[shown++ % examples.length]);
    if (examples.length) {
      button.setAttribute("aria-label", `${name} ${reading}: show an example`);
      button.title = "Show an example";
      button.addEventListener("click", play);
    } else {
      button.disabled = true;
    }
    return { bar, width: bar.querySelector(".bar").style, share: bar.querySelector(".share"), play: examples.length ? play : null };
  });
  row.remove();

  const percent = (p) => `${p > 0 && p < 0.005 ? "<1" : Math.round(100 * p)} %`;

  /** Show strokes, image and bars; at most once a frame, however many events there are. */
  function changed() {
    frame ||= requestAnimationFrame(render);
    clearTimeout(quiet);
    quiet = setTimeout(speak, QUIET);
  }

  function render() {
    frame = 0;
    const image = imageNow();
    const drawn = strokes.length > 0 || image.some((grey) => grey);
    const line = (points) => `M${points.map((p) => p.map((v) => v.toFixed(1)).join(" ")).join("L")}`;
    $(".ink").setAttribute("d", strokes.map((s) => line(s.length > 1 ? s : [s[0], s[0]])).join(""));
    $(".hint").style.display = drawn ? "none" : "";
    $(".file").toggleAttribute("hidden", !picture);
    if (picture) $(".file").setAttribute("href", picture.address);
    const pixels = new ImageData(shape.side, shape.side);
    image.forEach((grey, i) => pixels.data.set([grey, grey, grey, 255], 4 * i));
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    $(".more").hidden = !drawn;
    const shares = drawn ? probabilitiesOf(image) : [];
    const first = shares.indexOf(Math.max(...shares));
    const none = shares[first] < reader.least;
    $(".answer").classList.toggle("none", none);
    bars.forEach(({ bar, width, share }, i) => {
      bar.classList.toggle("first", i === first);
      width.width = `${100 * (shares[i] ?? 0)}%`;
      share.textContent = drawn ? percent(shares[i]) : "–";
    });
    if (drawn) {
      const { name, reading } = classes[first];
      const large = Object.assign(document.createElement("b"), { textContent: name });
      const guess = `${reading}, ${percent(shares[first])}`;
      $(".best").replaceChildren(...(none ? ["None of these. Closest: "] : []), large, guess);
      explain(image, first);
      answer = `${none ? "None of these. Closest" : "Best guess"}: ${name}, ${guess}`;
    } else {
      $(".best").textContent = unread || "Probability of each character";
      answer = unread || "The pad is empty";
    }
  }

  /** Show which pixels raise and lower the score of the answer, and the nearest of the known images. */
  function explain(image, answered) {
    const [side, size] = [shape.side, shape.side ** 2];
    const own = sharesOf(image, answered);
    const largest = Math.max(...own.map(Math.abs)) || 1;
    const pixels = new ImageData(side, side);
    own.forEach((share, i) => pixels.data.set([...(share > 0 ? FOR : AGAINST), (255 * Math.abs(share)) / largest], 4 * i));
    $(".shares").getContext("2d").putImageData(pixels, 0, 0);
    if (!known) return;
    const distances = known.labels.map((_, n) => {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += (known.pixels[n * size + i] - image[i]) ** 2;
      return sum;
    });
    const order = [...distances.keys()].sort((a, b) => distances[a] - distances[b]).slice(0, NEAREST);
    order.forEach((n, place) => {
      const tile = new ImageData(side, side);
      for (let i = 0; i < size; i++) tile.data.set([...Array(3).fill(known.pixels[n * size + i]), 255], 4 * i);
      $(".known").getContext("2d").putImageData(tile, place * side, 0);
    });
    $(".names").textContent = order.map((n) => `${classes[known.labels[n]].name} ${classes[known.labels[n]].reading}`).join(", ");
  }

  /** Tell the answer to those who listen, when nothing has changed for a moment. */
  function speak() {
    if (frame) {
      cancelAnimationFrame(frame);
      render();
    }
    const status = $("[role=status]");
    if (status.textContent !== answer) status.textContent = answer;
  }

  // ---- the pen -----------------------------------------------------------------------------------

  function begin(by, point) {
    stopPlaying();
    picture = null;
    pen = by;
    strokes.push([point]);
    changed();
  }

  function extend(point) {
    const stroke = strokes.at(-1);
    const last = stroke.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < CLOSE) return;
    stroke.push(point);
    changed();
  }

  function lift() {
    pen = null;
    showCursor();
    changed();
  }

  const inside = (v) => Math.min(Math.max(v, 0), 100);

  function pointOf(event) {
    const box = paper.getBoundingClientRect();
    return [
      inside((100 * (event.clientX - box.left)) / box.width),
      inside((100 * (event.clientY - box.top)) / box.height),
    ];
  }

  paper.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button) return;
    paper.setPointerCapture(event.pointerId);
    begin(event.pointerId, pointOf(event));
  });
  paper.addEventListener("pointermove", (event) => {
    if (pen !== event.pointerId) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length ? between : [event]) extend(pointOf(one));
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    paper.addEventListener(kind, (event) => pen === event.pointerId && lift());
  }

  // ---- keys: arrows move; Space, pressed briefly, sets the pen down or lifts it; held, as long as it is held

  function showCursor() {
    $(".cursor").setAttribute("cx", cursor[0]);
    $(".cursor").setAttribute("cy", cursor[1]);
    $(".cursor").classList.toggle("down", pen === "key");
  }

  paper.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ARROWS) {
      pressed.add(event.key); // two at once go diagonally
      for (const axis of [0, 1]) {
        const steps = [...pressed].reduce((sum, key) => sum + ARROWS[key][axis], 0);
        cursor[axis] = inside(cursor[axis] + STEP * steps);
      }
      if (pen === "key") extend([...cursor]);
      moved = true;
    } else if (event.key === " ") {
      if (pen === "key" && !event.repeat) lift();
      else if (pen === null) {
        begin("key", [...cursor]);
        moved = false;
      }
    } else {
      return;
    }
    event.preventDefault();
    showCursor();
  });
  paper.addEventListener("keyup", (event) => {
    pressed.delete(event.key);
    if (event.key === " " && pen === "key" && moved) lift();
  });
  paper.addEventListener("blur", () => {
    pressed.clear();
    if (pen === "key") lift();
  });

  // ---- buttons -----------------------------------------------------------------------------------

  function stopPlaying() {
    cancelAnimationFrame(player);
    player = 0;
  }

  function draw(lines) {
    stopPlaying();
    pen = null;
    picture = null;
    unread = "";
    strokes = [...lines];
    changed();
  }

  /** Take a picture file as the drawing. */
  async function open(file) {
    const bitmap = await createImageBitmap(file).catch(() => null);
    const image = bitmap && scanned(bitmap, shape.side);
    draw([]); // what was there before is another drawing
    if (!image?.some((grey) => grey)) return void (unread = bitmap ? "Nothing to read: it is blank." : "This file is no picture.");
    const canvas = Object.assign(document.createElement("canvas"), { width: 200, height: 200 });
    const scale = 200 / Math.max(bitmap.width, bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    canvas.getContext("2d").drawImage(bitmap, 100 - width / 2, 100 - height / 2, width, height);
    picture = { image, address: canvas.toDataURL() };
    changed();
  }

  /** Read drawings with another network. */
  function use(other, text) {
    reader = other;
    $(".about").textContent = text;
    changed();
  }

  /** Draw an example as a hand would, or at once for those who want nothing to move. */
  function playBack(lines) {
    const count = lines.flat().length;
    const began = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      const due = still ? count : Math.ceil((count * Math.max(now - began, 1)) / PLAY);
      const shown = [];
      let left = due;
      for (const line of lines) {
        if (left > 0) shown.push(line.slice(0, left));
        left -= line.length;
      }
      draw(shown);
      if (due < count) player = requestAnimationFrame(step);
    };
    step(began);
  }

  $(".open").addEventListener("click", () => $("[type=file]").click());
  $("[type=file]").addEventListener("change", ({ target }) => { if (target.files[0]) open(target.files[0]); target.value = ""; });
  $(".frame").addEventListener("dragover", (event) => event.preventDefault());
  $(".frame").addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]); });
  $(".clear").addEventListener("click", () => draw([]));
  $(".undo").addEventListener("click", () => draw(strokes.slice(0, -1)));
  const playable = bars.filter(({ play }) => play);
  let turn = 0;
  $(".example").hidden = $(".tip").hidden = !playable.length;
  $(".example").addEventListener("click", () => playable[turn++ % playable.length].play());

  showCursor();
  render();
  host.pad = { probabilities: probabilitiesOf, shares: sharesOf, image: () => Array.from(imageNow()), draw, open, use };
}
