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

  // ---- search ----
  const box = byId('search'), query = byId('query'), found = byId('found'), hits = byId('hits');
  let index = null, sections = [];
  async function makeIndex() {
    const bytes = Uint8Array.from(atob(byId('sections').textContent), (character) => character.charCodeAt(0));
    sections = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).json();
    index = new MiniSearch({ fields: ['title', 'text'], storeFields: [], searchOptions: { boost: { title: 3 }, prefix: true, fuzzy: 0.15, combineWith: 'AND' } });
    index.addAll(sections.map((section, id) => ({ id, ...section })));
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
    const words = new RegExp(`(${terms.map((t) => t.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`, 'i');
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
    const results = index && query.value.trim() ? index.search(query.value).slice(0, 12) : [];
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

  // ---- the numbers of a figure as a table, made when it is asked for ----
  const ROWS = 200;
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
    const rows = rowsOf(decodeURIComponent(link.href.slice(link.href.indexOf(',') + 1)));
    if (rows.length > ROWS + 1) link.after(` The first ${ROWS} of ${rows.length - 1} rows:`);
    details.append(tableOf(rows, details.dataset.of));
  }, true);
})();
