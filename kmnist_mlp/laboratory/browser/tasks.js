/* The guided tasks of the playground. Each trains `runs`, options and number of epochs; `seen` says what their histories
 * show, whatever they show. A row of a history: epoch, training loss and accuracy, validation loss and accuracy. */
const percent = (share) => `${(100 * share).toFixed(1)} %`, loss = (value) => value.toFixed(4), last = (run) => run.history.at(-1);
const lowest = (run) => run.history.reduce((best, row) => (row[3] < best[3] ? row : best));
const TASKS = [
  {
    title: 'A learning rate that is too large',
    about: 'The same network is trained twice, for 15 epochs each: with the learning rate 0.0005, then with 0.1.',
    look: 'Look at the thick curves of the loss. Which of them falls? Equal guessing has a loss of 0.23.',
    runs: [[{ rate: 0.0005 }, 15], [{ rate: 0.1 }, 15]],
    seen([small, large]) {
      const first = `With 0.0005, validation loss goes from ${loss(small.history[0][3])} to ${loss(last(small)[3])}. `;
      if (large.diverged) return `${first}With 0.1, training diverges in epoch ${last(large)[0]}: the loss is no longer a finite number.`;
      const end = `${first}With 0.1, it is ${loss(last(large)[3])} after epoch ${last(large)[0]}, at ${percent(last(large)[4])} accuracy (${percent(last(small)[4])} with 0.0005). `;
      if (last(large)[3] <= last(small)[3]) return `${end}Here the larger rate did no harm; try a still larger one.`;
      return `${end}The steps overshoot: the network becomes certain of wrong answers. Now find the largest rate that still helps, by the validation curve: begin with 0.002.`;
    },
  },
  {
    title: 'Overfitting',
    about: 'The learning rate is 0.005, and training goes on for 30 epochs: first without a penalty, then with an L2 penalty of 0.5.',
    look: 'Compare the thin curve (training) with the thick one (validation). Where does the validation loss turn?',
    runs: [[{ rate: 0.005 }, 30], [{ rate: 0.005, L2: 0.5 }, 30]],
    seen([free, held]) {
      const best = lowest(free), end = last(free), turned = end[3] > best[3] * 1.03;
      const first = `Without a penalty, training loss falls to ${loss(end[1])}. Validation loss is lowest in epoch ${best[0]} (${loss(best[3])}) and ${loss(end[3])} in the end: ${turned ? 'from there on the network overfits' : 'it hardly rises again'}. `;
      const hidden = turned ? `Accuracy hides it: ${percent(best[4])} in epoch ${best[0]}, ${percent(end[4])} in the end. ` : '';
      return `${first}${hidden}With the penalty, validation loss ends at ${loss(last(held)[3])}${last(held)[3] < end[3] ? ': the penalty reduces overfitting' : ', which is no lower'}. Early stopping is another remedy: it keeps the weights of the best epoch, the circle. The test button uses these.`;
    },
  },
  {
    title: 'ReLU against sigmoid at 25 epochs',
    about: 'ReLU is trained for 25 epochs, then sigmoid for 100. The paper compared activations after 25.',
    look: 'Compare the two at epoch 25: which is better? And has the sigmoid network finished learning there?',
    runs: [[{ activation: 'ReLU' }, 25], [{ activation: 'sigmoid' }, 100]],
    seen([relu, sigmoid]) {
      const [r, s, best] = [last(relu), sigmoid.history.find(([epoch]) => epoch === 25) ?? last(sigmoid), lowest(sigmoid)];
      const first = `After 25 epochs, ReLU has ${percent(r[4])} of the validation images and a loss of ${loss(r[3])}, sigmoid ${percent(s[4])} and ${loss(s[3])}. `;
      const later = best[0] > 25 ? `But the sigmoid network was not finished: its validation loss falls until epoch ${best[0]}, to ${loss(best[3])} at ${percent(best[4])}. A fixed number of epochs favours the faster learner. ` : 'More epochs did not help the sigmoid network here. ';
      return `${first}${later}The report finds the same on all of KMNIST: after 25 epochs sigmoid is worse than tanh, as in the paper; trained until validation loss stops falling, it is better than tanh, and closer to ReLU. One seed on so few images is weak evidence: repeat it with other seeds.`;
    },
  },
];
