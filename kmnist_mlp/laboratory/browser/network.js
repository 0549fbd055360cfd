/* The paper's network in JavaScript: the formulas of network.py and optimizer.py, in float32.
 *
 *   Network       weights, biases, velocities of fully connected layers
 *   forward       outputs of all layers; the last are probabilities
 *   backward      gradients of the cross-entropy, summed over the batch
 *   step          momentum of unit gain, penalties on weights
 *   shares        what each input contributes to a class
 *
 * Arrays are row by row: x is (batch, inputs), W of a layer (inputs, units). The drawing pad, the playground and
 * its worker use this file; laboratory/in_page.py puts it into their pages.
 */
'use strict';

const ACTIVATIONS = {
  tanh: { value: Math.tanh, derivative: (a) => 1 - a * a },
  sigmoid: { value: (z) => 1 / (1 + Math.exp(-z)), derivative: (a) => a * (1 - a) },
  ReLU: { value: (z) => Math.max(z, 0), derivative: (a) => (a > 0 ? 1 : 0) },
};

/* Uniform numbers between 0 and 1 from a seed: mulberry32. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/* A normally distributed number: Box and Muller 1958, doi:10.1214/aoms/1177706645. */
const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

class Network {
  constructor(layers, activation, W, b) {
    Object.assign(this, { layers, activation, W, b });
    const zeros = (arrays) => arrays.map((array) => new Float32Array(array.length));
    [this.vW, this.vb, this.dW, this.db] = [zeros(this.W), zeros(this.b), zeros(this.W), zeros(this.b)];
  }

  /* Normal weights of variance 2 / inputs (He et al. 2015, arXiv:1502.01852); biases of 0. */
  static random(layers, activation, seed) {
    const random = randomFrom(seed), units = layers.slice(1);
    const W = units.map((count, l) => Float32Array.from({ length: layers[l] * count }, () => Math.sqrt(2 / layers[l]) * normal(random)));
    return new Network(layers, activation, W, units.map((count) => new Float32Array(count)));
  }

  /* out (n, units) = a (n, inputs) @ W + b; zero inputs cost nothing. */
  static weighted(a, W, b, n, inputs, units) {
    const out = new Float32Array(n * units);
    for (let i = 0; i < n; i++) {
      const row = out.subarray(i * units, (i + 1) * units);
      row.set(b);
      for (let j = 0; j < inputs; j++) {
        const value = a[i * inputs + j];
        if (value === 0) continue;
        const from = j * units;
        for (let k = 0; k < units; k++) row[k] += value * W[from + k];
      }
    }
    return out;
  }

  /* Return the inputs of each layer and, last, the probabilities. */
  forward(x, n) {
    const f = ACTIVATIONS[this.activation].value, outputs = [x], last = this.W.length - 1;
    this.W.forEach((W, l) => {
      const units = this.layers[l + 1];
      const z = Network.weighted(outputs[l], W, this.b[l], n, this.layers[l], units);
      if (l < last) for (let i = 0; i < z.length; i++) z[i] = f(z[i]);
      else for (let i = 0; i < n; i++) softmax(z.subarray(i * units, (i + 1) * units));
      outputs.push(z);
    });
    return outputs;
  }

  /* Write the gradients into dW and db; return the summed cross-entropy. */
  backward(x, y, n) {
    const outputs = this.forward(x, n);
    const classes = this.layers.at(-1);
    let delta = outputs.at(-1), loss = 0;
    for (let i = 0; i < n; i++) {
      loss -= Math.log(Math.max(delta[i * classes + y[i]], 1e-38));
      delta[i * classes + y[i]] -= 1; // p - one_hot(y)
    }
    for (let l = this.W.length - 1; l >= 0; l--) {
      const [inputs, units] = [this.layers[l], this.layers[l + 1]], a = outputs[l], dW = this.dW[l], db = this.db[l];
      dW.fill(0);
      db.fill(0);
      for (let i = 0; i < n; i++) {
        for (let k = 0; k < units; k++) db[k] += delta[i * units + k];
        for (let j = 0; j < inputs; j++) {
          const value = a[i * inputs + j];
          if (value === 0) continue;
          const from = j * units, at = i * units;
          for (let k = 0; k < units; k++) dW[from + k] += value * delta[at + k];
        }
      }
      if (l > 0) delta = this.propagated(delta, outputs[l], l, n);
    }
    return loss;
  }

  /* delta (n, inputs) of the layer before = (delta (n, units) @ W.T) * f'(a); of the inputs, layer 0, without f'. */
  propagated(delta, a, l, n) {
    const [inputs, units] = [this.layers[l], this.layers[l + 1]], W = this.W[l], before = new Float32Array(n * inputs);
    const slope = l > 0 ? ACTIVATIONS[this.activation].derivative : () => 1;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < inputs; j++) {
        let sum = 0;
        for (let k = 0; k < units; k++) sum += delta[i * units + k] * W[j * units + k];
        before[i * inputs + j] = sum * slope(a[i * inputs + j]);
      }
    }
    return before;
  }

  /* What each input of one row contributes to the logit of a class minus the mean of all logits: its value times the
   * derivative with respect to it (gradient x input: Shrikumar et al. 2016, arXiv:1605.01713). */
  shares(x, k) {
    const outputs = this.forward(x, 1), classes = this.layers.at(-1);
    let delta = Float32Array.from({ length: classes }, (_, j) => (j === k) - 1 / classes);
    for (let l = this.W.length - 1; l >= 0; l--) delta = this.propagated(delta, outputs[l], l, 1);
    return delta.map((gradient, i) => gradient * x[i]);
  }

  /* v <- gamma v + (1 - gamma) g; w <- w - rate v. */
  step({ rate, gamma, L1, L2 }) {
    const update = (w, v, g, penalised) => {
      for (let i = 0; i < w.length; i++) {
        const penalty = penalised ? L1 * Math.sign(w[i]) + 2 * L2 * w[i] : 0;
        v[i] = gamma * v[i] + (1 - gamma) * (g[i] + penalty);
        w[i] -= rate * v[i];
      }
    };
    this.W.forEach((W, l) => update(W, this.vW[l], this.dW[l], true));
    this.b.forEach((b, l) => update(b, this.vb[l], this.db[l], false));
  }

  /* Return mean cross-entropy / classes, share that is right, the predicted classes and their probabilities. */
  evaluate(x, y) {
    const n = y.length, classes = this.layers.at(-1), p = this.forward(x, n).at(-1), predicted = new Uint8Array(n), largest = new Float32Array(n);
    let loss = 0, right = 0;
    for (let i = 0; i < n; i++) {
      const row = p.subarray(i * classes, (i + 1) * classes);
      largest[i] = Math.max(...row);
      predicted[i] = row.indexOf(largest[i]);
      right += predicted[i] === y[i];
      loss -= Math.log(Math.max(row[y[i]], 1e-38));
    }
    return { loss: loss / n / classes, accuracy: right / n, predicted, largest };
  }
}

function softmax(z) {
  const largest = Math.max(...z);
  let sum = 0;
  for (let k = 0; k < z.length; k++) sum += z[k] = Math.exp(z[k] - largest);
  for (let k = 0; k < z.length; k++) z[k] /= sum;
}

/* A random order of the numbers 0 to n - 1: Fisher and Yates. */
function shuffled(n, random) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/* Write an image, shifted, turned, stretched and sheared at random, into out; bilinear, 0 outside. That is the
 * affine part of extensions/augmentation.py; the elastic part is left out. */
function distort(image, out, side, strength, random) {
  const uniform = (largest) => (2 * random() - 1) * largest * strength;
  const angle = uniform(0.15), tall = Math.exp(uniform(0.15)), wide = Math.exp(uniform(0.15)), shear = uniform(0.15);
  const [down, right] = [uniform(1.5), uniform(1.5)], c = (side - 1) / 2, cos = Math.cos(angle), sin = Math.sin(angle);
  const pixel = (y, x) => (y < 0 || x < 0 || y >= side || x >= side ? 0 : image[y * side + x]);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [u, v] = [y - c, x - c];
      const fromY = (cos + sin * shear) * tall * u + sin * wide * v + c + down;
      const fromX = (cos * shear - sin) * tall * u + cos * wide * v + c + right;
      const [y0, x0] = [Math.floor(fromY), Math.floor(fromX)], [fy, fx] = [fromY - y0, fromX - x0];
      out[y * side + x] =
        (1 - fy) * ((1 - fx) * pixel(y0, x0) + fx * pixel(y0, x0 + 1)) +
        fy * ((1 - fx) * pixel(y0 + 1, x0) + fx * pixel(y0 + 1, x0 + 1));
    }
  }
}

/* Mean and standard deviation (1 instead of 0) of each pixel: sums of whole numbers are exact. */
function statisticsOf(pixels, inputs) {
  const n = pixels.length / inputs, sum = new Float64Array(inputs), square = new Float64Array(inputs);
  pixels.forEach((pixel, i) => { sum[i % inputs] += pixel; square[i % inputs] += pixel ** 2; });
  return { mean: sum.map((s) => s / n), std: sum.map((s, i) => Math.sqrt(n * square[i] - s ** 2) / n || 1) };
}

/* Return (pixels - mean) / std, image by image; without a mean, of one image by its own: zeros if it is blank. */
function standardised(pixels, mean, std) {
  const out = new Float32Array(pixels.length), inputs = mean.length;
  for (let i = 0; inputs && i < out.length; i++) out[i] = (pixels[i] - mean[i % inputs]) / std[i % inputs];
  if (inputs) return out;
  const average = pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length;
  const variance = pixels.reduce((sum, pixel) => sum + (pixel - average) ** 2, 0) / pixels.length;
  return out.map((_, i) => (pixels[i] - average) / (Math.sqrt(variance) || 1));
}

/* The bytes of a base64 text, and of one that was deflated before. */
const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
async function inflated(base64) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
