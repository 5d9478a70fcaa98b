// Runs in each page of a server with --live: says what the page has loaded, and does what it is told when files change.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.fastfileLive || self.origin === "null") return;
  window.fastfileLive = true;
  const STYLE = "";
  const endpoint = new URL("live", script.src);
  const ownPath = endpoint.pathname;
  endpoint.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  const FIRST_DELAY_MS = 100;
  const LONGEST_DELAY_MS = 3000;
  const page = targetOf(location.href);
  const loaded = new Map(); // by target: when it was loaded last, in ms since the page began to load
  const pictures = new Set(); // targets that were swapped
  let socket, timer, notice;
  let delay = FIRST_DELAY_MS;
  let isAway = false;
  let isForbidden = false; // to connect again
  let version = Date.now();

  // What this server gets to see of an address, without the query that a swap has added; null for other servers.
  function targetOf(address, base) {
    try {
      const url = new URL(address, base || document.baseURI);
      if (url.origin !== location.origin || url.pathname.startsWith(ownPath)) return null;
      return url.pathname + url.search.replace(/[?&]fastfile=\d+$/, "");
    } catch {
      return null;
    }
  }

  const fresh = (target) => `${target}${target.includes("?") ? "&" : "?"}fastfile=${version}`;

  // A machine that sleeps may stop the one clock, and a user may set the other.
  const age = () => Math.max(performance.now(), Date.now() - performance.timeOrigin);

  function note(entries) {
    const news = [];
    for (const entry of entries) {
      const target = targetOf(entry.name);
      if (target === null || loaded.get(target) >= entry.startTime) continue;
      loaded.set(target, entry.startTime);
      news.push(target);
    }
    return news;
  }

  function tell(targets, lines = []) {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    for (const target of targets) lines.push(`${Math.floor(loaded.get(target))} ${target}`);
    if (lines.length) socket.send(lines.join("\n"));
  }

  function connect() {
    clearTimeout(timer);
    if (isAway || isForbidden || (socket && socket.readyState <= WebSocket.OPEN)) return;
    const opened = new WebSocket(endpoint);
    socket = opened;
    opened.onopen = () => {
      delay = FIRST_DELAY_MS;
      note(performance.getEntriesByType("resource"));
      tell(loaded.keys(), [`${Math.ceil(age())} ${page}`]);
    };
    opened.onmessage = (event) => {
      const [word] = event.data.split(" ", 1);
      const rest = event.data.slice(word.length + 1);
      if (word === "reload") location.reload();
      else if (word === "swap") swap(rest.split(" "));
      else if (word === "notice") show(rest);
    };
    opened.onclose = () => {
      if (opened !== socket || isAway || isForbidden) return;
      timer = setTimeout(connect, delay);
      delay = Math.min(delay * 1.5, LONGEST_DELAY_MS);
    };
  }

  // Swap style sheets and pictures in place; load the page anew where one of them is used in a way that is not known.
  function swap(targets) {
    version += 1;
    const unknown = targets.filter((target) => !swapSheet(target) && !swapPicture(target));
    if (unknown.length) location.reload();
  }

  function swapSheet(target) {
    let isFound = false;
    for (const link of document.querySelectorAll('link[rel~="stylesheet" i][href]')) {
      if (targetOf(link.href) !== target) continue;
      isFound = true;
      if (link.isReplacement) {
        link.remove(); // it is still loading
        continue;
      }
      const next = link.cloneNode();
      next.isReplacement = true;
      next.removeAttribute("integrity");
      next.href = fresh(target);
      next.onload = () => {
        next.isReplacement = false;
        link.remove();
        pictures.forEach(swapInSheets); // the new sheet names them as they were
      };
      next.onerror = () => next.remove();
      link.after(next);
    }
    return isFound;
  }

  function swapPicture(target) {
    let isFound = false;
    for (const [name, selector] of [
      ["src", "img[src], input[type=image][src]"],
      ["poster", "video[poster]"],
      ["href", 'link[rel~="icon" i][href], svg image[href]'],
    ]) {
      for (const element of document.querySelectorAll(selector)) {
        if (targetOf(element.getAttribute(name)) !== target) continue;
        isFound = true;
        element.setAttribute(name, fresh(target));
      }
    }
    for (const element of document.querySelectorAll("img[srcset], source[srcset]")) {
      const changed = element.srcset.replace(/[^\s,]\S*[^\s,]/g, (address) =>
        targetOf(address) === target ? fresh(target) : address,
      );
      if (changed === element.srcset) continue;
      isFound = true;
      element.srcset = changed;
    }
    for (const element of document.querySelectorAll('[style*="url("]')) {
      isFound = swapInStyle(element.style, document.baseURI, target) || isFound;
    }
    isFound = swapInSheets(target) || isFound;
    if (isFound) pictures.add(target);
    return isFound;
  }

  function swapInSheets(target) {
    return [...document.styleSheets].map((sheet) => swapInSheet(sheet, target)).some(Boolean);
  }

  function swapInSheet(sheet, target) {
    try {
      return swapInRules(sheet.cssRules, sheet.href || document.baseURI, target);
    } catch {
      return false; // a sheet of another site
    }
  }

  function swapInRules(rules, base, target) {
    let isFound = false;
    for (const rule of rules) {
      if (rule.style) isFound = swapInStyle(rule.style, base, target) || isFound;
      if (rule.cssRules) isFound = swapInRules(rule.cssRules, base, target) || isFound;
      if (rule.styleSheet) isFound = swapInSheet(rule.styleSheet, target) || isFound;
    }
    return isFound;
  }

  function swapInStyle(style, base, target) {
    let isFound = false;
    for (const property of [...style]) {
      const value = style.getPropertyValue(property);
      if (!value.includes("url(")) continue;
      const changed = value.replace(/url\(\s*["']?([^"')]+)["']?\s*\)/g, (all, address) =>
        targetOf(address, base) === target ? `url("${fresh(target)}")` : all,
      );
      if (changed === value) continue;
      isFound = true;
      style.setProperty(property, changed, style.getPropertyPriority(property));
    }
    return isFound;
  }

  // A notice at the foot of the page, which can be closed. Its shadow tree keeps the page's style out, and its style
  // sheet is made by script, because a policy may forbid the element.
  function show(text) {
    if (notice) notice.remove();
    notice = null;
    if (!text) return;
    notice = document.createElement("fastfile-notice");
    const root = notice.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const box = document.createElement("div");
    box.className = "notice";
    box.setAttribute("role", "status");
    const label = document.createElement("span");
    label.textContent = text;
    const button = document.createElement("button");
    button.textContent = "Close";
    button.onclick = () => show("");
    box.onkeydown = (event) => event.key === "Escape" && show("");
    box.append(label, button);
    root.append(box);
    document.documentElement.append(notice);
  }

  addEventListener("pagehide", () => {
    isAway = true; // an open WebSocket keeps a page out of the back/forward cache
    clearTimeout(timer);
    if (socket) socket.close();
  });
  addEventListener("pageshow", () => {
    isAway = false;
    connect();
  });
  addEventListener("online", connect);
  // The policy of a <meta> element holds for connections after the first, which is made before the element is read.
  document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
    if (effectiveDirective !== "connect-src" || (socket && socket.readyState === WebSocket.OPEN)) return;
    if (blockedURI !== endpoint.href && blockedURI !== endpoint.origin) return;
    isForbidden = true;
    clearTimeout(timer);
    show("The policy in a <meta> element of this page forbids it to connect again. Reload the page to follow changes.");
  });
  document.addEventListener("visibilitychange", () => document.hidden || connect());

  performance.setResourceTimingBufferSize(5000);
  new PerformanceObserver((list) => tell(note(list.getEntries()))).observe({ type: "resource", buffered: true });
  connect();
})();
