/* Theme, search, and the numbers behind a figure; every page works without it, too. */
(() => {
  'use strict';
  const root = document.documentElement, byId = (id) => document.getElementById(id);

  // ---- theme: light, dark, or as the system has it ----
  const themes = ['system', 'light', 'dark'], theme = byId('theme');
  const shownTheme = () => themes.includes(root.dataset.theme) ? root.dataset.theme : 'system';
  const nameTheme = () => { theme.textContent = `Theme: ${shownTheme()}`; };
  theme.addEventListener('click', () => {
    root.dataset.theme = themes[(themes.indexOf(shownTheme()) + 1) % themes.length];
    try { localStorage.setItem('kmnist-theme', root.dataset.theme); } catch { /* not remembered */ }
    nameTheme();
  });
  nameTheme();

  // ---- contents on a narrow screen: a link in them closes them ----
  const menu = document.querySelector('.menu'), wide = matchMedia('(min-width: 68rem)'); // as in style.css
  menu.addEventListener('click', (event) => {
    if (event.target.closest('a') && !wide.matches) menu.open = false;
  });
  menu.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !wide.matches) {
      menu.open = false;
      menu.querySelector('summary').focus();
    }
  });

  // ---- a link into what is folded opens it ----
  function unfold() {
    const target = byId(decodeURIComponent(location.hash.slice(1))), fold = target?.closest('details.more:not([open])');
    if (!fold) return;
    fold.open = true;
    target.scrollIntoView();
  }
  addEventListener('hashchange', unfold);
  unfold();

  // ---- search ----
  const box = byId('search'), query = byId('query'), found = byId('found'), hits = byId('hits');
  let index = null, sections = [];
  const COMMON = new Set('a an and are can do does for how i in is it my of on or the to was what with you your'.split(' '));
  /* What is alike in "normalise", "normalizing" and "normalisation". */
  const stem = (word) => word.toLowerCase().replace(/(?<=.{3})(?:i[sz](?:ations?|e[drs]?|ers|ing)|ings?|ies|e[ds]?|(?<![aisu])s|y)$/, '');
  async function makeIndex() {
    const bytes = Uint8Array.from(atob(byId('sections').textContent), (character) => character.charCodeAt(0));
    sections = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).json();
    const processTerm = (word) => (COMMON.has(word.toLowerCase()) ? null : [word.toLowerCase(), stem(word)]);
    const isList = ({ title }) => title === 'Contents', boostDocument = (id) => (isList(sections[id]) ? 0.1 : 1); // it names everything
    const searchOptions = { boost: { title: 3, words: 2, also: 0.4 }, prefix: true, fuzzy: (word) => word.length > 4 && 0.15, combineWith: 'AND', boostDocument, processTerm: (word) => processTerm(word)?.[1] };
    index = new MiniSearch({ fields: ['title', 'text', 'words', 'also'], storeFields: [], processTerm, searchOptions });
    index.addAll(sections.map((section, id) => ({ id, ...section, also: isList(section) ? '' : section.also })));
  }
  function open() {
    box.showModal();
    query.select();
    if (!index) makeIndex().then(show);
  }
  /* Japanese characters in an element that says so, as everywhere in the text of a page. */
  function withKana(text) {
    return text.split(/([\u3040-\u30ff\u4e00-\u9fff]+)/).map((part, n) => (n % 2 ? Object.assign(document.createElement('span'), { lang: 'ja', textContent: part }) : part));
  }
  function snippet(text, terms) {
    const words = new RegExp(`((?<!\\w)(?:${terms.map((t) => t.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})\\w*)`, 'i');
    const at = Math.max(text.search(words), 0), start = at < 60 ? 0 : text.indexOf(' ', at - 60) + 1;
    const cut = (start ? '… ' : '') + text.slice(start, start + 170) + (text.length > start + 170 ? ' …' : '');
    const line = document.createElement('p');
    cut.split(new RegExp(words.source, 'gi')).forEach((part) => {
      if (words.test(part) && part) line.append(Object.assign(document.createElement('mark'), { textContent: part }));
      else line.append(...withKana(part));
    });
    return line;
  }
  function show() {
    let results = index && query.value.trim() ? index.search(query.value) : [];
    if (index && !results.length) results = index.search(query.value, { combineWith: 'OR' }); // "how to install"
    results = results.slice(0, 12);
    hits.textContent = index && query.value.trim() ? (results.length ? `${results.length}${results.length === 12 ? ' or more' : ''} found` : 'Nothing found') : '';
    found.replaceChildren(...results.map((result) => {
      const section = sections[result.id], item = document.createElement('li'), link = document.createElement('a');
      link.href = section.href;
      link.append(...withKana(section.title === section.page ? section.page : `${section.page}: ${section.title}`));
      link.addEventListener('click', () => box.close());
      item.append(link, snippet(section.text, result.terms));
      return item;
    }));
  }
  byId('find').addEventListener('click', open);
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); open(); }
  });
  query.addEventListener('input', show);
  box.addEventListener('keydown', (event) => {
    const links = [...found.querySelectorAll('a')], at = links.indexOf(document.activeElement);
    if (event.key === 'ArrowDown' && links.length) { event.preventDefault(); links[Math.min(at + 1, links.length - 1)].focus(); }
    if (event.key === 'ArrowUp' && links.length) { event.preventDefault(); if (at > 0) links[at - 1].focus(); else query.focus(); }
    if (event.key === 'Escape') { event.preventDefault(); box.close(); } // in its field, the key would only clear the words
    if (event.key === 'Enter' && document.activeElement === query) { event.preventDefault(); links[0]?.click(); }
  });

  // ---- a term opens where it stands; without this script it is a link to the glossary ----
  const meaning = byId('meaning'), terms = document.querySelectorAll('a.term');
  terms.forEach((link) => {
    link.dataset.meaning = link.title; // a tooltip would lie on top
    link.removeAttribute('title');
    link.setAttribute('aria-haspopup', 'dialog');
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in another tab
      event.preventDefault();
      byId('meaning-term').textContent = link.textContent;
      byId('meaning-text').textContent = link.dataset.meaning;
      byId('meaning-link').href = link.href;
      meaning.showPopover();
      const at = link.getClientRects()[0], below = at.bottom + meaning.offsetHeight + 16 < innerHeight;
      meaning.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - meaning.offsetWidth - 8))}px`;
      meaning.style.top = `${scrollY + (below ? at.bottom + 6 : Math.max(8, at.top - meaning.offsetHeight - 6))}px`;
      meaning.focus({ preventScroll: true });
    });
  });
  byId('meaning-link').addEventListener('click', () => meaning.hidePopover());

  // ---- the contents show where one is ----
  const entries = new Map([...document.querySelectorAll('.toc a')].map((link) => [link.hash.slice(1), link]));
  const headings = [...entries.keys()].map(byId);
  function locate() {
    const here = entries.get(headings.findLast((heading) => heading.getBoundingClientRect().top < 120)?.id);
    if (here?.hasAttribute('aria-current')) return;
    entries.forEach((link) => link.removeAttribute('aria-current'));
    here?.setAttribute('aria-current', 'location');
    if (!here || !wide.matches) return;
    const link = here.getBoundingClientRect(), box = menu.getBoundingClientRect(); // scrolls the contents alone
    if (link.bottom > box.bottom) menu.scrollTop += link.bottom - box.bottom + 40;
    else if (link.top < box.top) menu.scrollTop -= box.top - link.top + 40;
  }
  addEventListener('scroll', locate, { passive: true });
  locate();

  // ---- a figure of several frames: forwards and back ----
  document.querySelectorAll('figure:has(.frame)').forEach((figure) => {
    const [still, ...frames] = figure.querySelectorAll('.panels'), text = figure.querySelector('.finding');
    const row = document.createElement('p');
    row.className = 'steps';
    const [back, next] = ['Back', 'Next'].map((name) => Object.assign(document.createElement('button'), { type: 'button', textContent: name }));
    const place = Object.assign(document.createElement('span'), { className: 'place' });
    place.setAttribute('role', 'status');
    row.append(back, next, place);
    still.before(row);
    let at = 0;
    function show(shown) {
      [still, ...frames].forEach((each) => { each.hidden = each !== shown; });
      if (text) text.textContent = shown.dataset.text;
    }
    addEventListener('beforeprint', () => show(still));  // on paper: the picture that the author chose
    addEventListener('afterprint', () => show(frames[at]));
    function turn(to) {
      at = to;
      show(frames[at]);
      back.disabled = at === 0;
      next.disabled = at === frames.length - 1;
      place.textContent = `picture ${at + 1} of ${frames.length}`;
    }
    back.addEventListener('click', () => turn(at - 1));
    next.addEventListener('click', () => turn(at + 1));
    turn(0);
  });

  // ---- a unit whose numbers say how it is computed: a click shows that, and what it reads ----
  const READ = { z1: 'x-0-* W1-*-u b1-0-u', z2: 'a1-0-* W2-*-u b2-0-u', d1: 'd2-0-* W2-u-* a1-0-u' }; // array, row, column; u: the unit
  document.querySelectorAll('figure:has(.frame)').forEach((figure) => {
    const [names, ...rows] = rowsOf(csvOf(figure.querySelector('a.download'))), at = names.indexOf('sum');
    const sums = new Map(rows.filter((row) => row[at]).map((row) => [row.slice(0, 3).join('-'), row[at]]));
    if (!sums.size) return;
    const shown = Object.assign(document.createElement('p'), { className: 'sum', textContent: 'Choose a dashed number to see its sum.' });
    shown.setAttribute('role', 'status');
    figure.querySelector('.steps').after(shown);
    const nameOf = (cell) => cell.id.split('-').slice(-3).join('-');
    // the last picture has other weights than those of the sums
    const cells = [...figure.querySelectorAll('.frame')].slice(0, -1).flatMap((frame) => [...frame.querySelectorAll('g[id]')]);
    function choose(name) {
      const [array, , unit] = name.split('-'), pattern = READ[array].replaceAll('*', '\\d+').replaceAll('u', unit).replaceAll(' ', '|');
      cells.forEach((cell) => {
        cell.classList.toggle('chosen', nameOf(cell) === name);
        cell.classList.toggle('read', new RegExp(`^(${pattern})$`).test(nameOf(cell)));
      });
      shown.textContent = sums.get(name);
    }
    cells.filter((cell) => sums.has(nameOf(cell))).forEach((cell) => {
      const [array, , unit] = nameOf(cell).split('-');
      cell.classList.add('unit');
      Object.entries({ tabindex: 0, role: 'button', 'aria-label': `${array}[${unit}]: show its sum` }).forEach((each) => cell.setAttribute(...each));
      cell.closest('svg').setAttribute('role', 'group'); // a picture has no buttons inside
      cell.addEventListener('click', () => choose(nameOf(cell)));
      cell.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(nameOf(cell)); }
      });
    });
  });

  // ---- the numbers of a figure as a table, made when it is asked for ----
  const ROWS = 200;
  function csvOf(link) { return decodeURIComponent(link.href.slice(link.href.indexOf(',') + 1)); }
  function rowsOf(csv) {
    const rows = [[]];
    for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
      rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
      if (end === '\n') rows.push([]);
      if (end === '') break;
    }
    return rows.filter((row) => row.length > 1 || row[0]);
  }
  function tableOf(rows, name) {
    const table = document.createElement('table'), head = table.createTHead().insertRow(), body = table.createTBody();
    rows[0].forEach((text) => head.append(Object.assign(document.createElement('th'), { textContent: text.replaceAll('_', ' '), scope: 'col' })));
    rows.slice(1, ROWS + 1).forEach((row) => {
      const line = body.insertRow();
      row.forEach((text) => {
        const cell = line.insertCell();
        cell.textContent = text;
        if (/^-?\d/.test(text)) cell.className = 'number';
      });
    });
    const box = document.createElement('div');
    Object.assign(box, { className: 'scroll', tabIndex: 0 });
    box.setAttribute('role', 'group');
    box.setAttribute('aria-label', `Numbers of ${name}`);
    box.append(table);
    return box;
  }
  document.addEventListener('toggle', (event) => {
    const details = event.target;
    if (!details.matches?.('details.data') || !details.open || details.dataset.shown) return;
    details.dataset.shown = 'yes';
    const link = details.querySelector('a.download');
    const rows = rowsOf(csvOf(link));
    if (rows.length > ROWS + 1) link.after(` The first ${ROWS} of ${rows.length - 1} rows:`);
    details.append(tableOf(rows, details.dataset.of));
  }, true);
})();
