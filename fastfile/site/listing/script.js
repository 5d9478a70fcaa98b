// The filter, the keys, and times in the reader's own time zone. Without it the rest of the page works as it is.
(() => {
  const body = document.querySelector("tbody"), up = body.querySelector(".u");
  const rows = [...body.rows].slice(up ? 1 : 0);
  const make = (tag, parent, text = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    parent.append(made);
    return made;
  };

  const two = number => String(number).padStart(2, "0");
  for (const time of body.querySelectorAll("time")) {
    const date = new Date(time.textContent.replace(" ", "T"));
    time.dateTime = time.textContent;
    time.textContent = `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
      + ` ${two(date.getHours())}:${two(date.getMinutes())}`;
  }
  const zone = document.querySelector("th:last-child");
  zone.title = Intl.DateTimeFormat().resolvedOptions().timeZone;
  zone.querySelector("span").remove();

  const bar = document.querySelector(".bar"), count = bar.firstElementChild, total = count.textContent;
  const box = make("input", bar);
  box.type = "search";
  box.placeholder = "Filter";
  count.setAttribute("role", "status");
  box.setAttribute("aria-label", "Filter by name");
  box.setAttribute("aria-keyshortcuts", "/");
  const fold = text => text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase(); // macOS has names in NFD
  const names = rows.map(row => fold(row.cells[0].textContent));
  box.oninput = () => {
    const words = fold(box.value).split(/\s+/);
    let shown = 0;
    rows.forEach((row, index) => {
      const hit = words.every(word => names[index].includes(word));
      shown += hit;
      if (row.hidden === hit) row.hidden = !hit;
    });
    count.textContent = box.value.trim() ? `${shown} of ${rows.length} shown` : total;
  };

  const keys = make("p", document.querySelector("main"));
  keys.className = "keys";
  for (const [key, use] of [["/", "filter"], ["\u2191 \u2193", "choose"], ["Enter", "open"], ["Backspace", "up"]]) {
    make("kbd", keys, key);
    keys.append(` ${use} \u00a0 `);
  }
  body.parentNode.after(keys);

  const step = down => {
    const next = row => row && row[down ? "nextElementSibling" : "previousElementSibling"];
    let row = document.activeElement.closest("tbody tr");
    row = row ? next(row) : down ? rows[0] || body.firstElementChild : null;
    while (row && row.hidden) row = next(row);
    const link = row && row.querySelector("a");
    if (link) link.focus();
    else if (!down) box.focus();
  };
  document.onkeydown = event => {
    const typing = event.target === box, key = event.key;
    if (event.ctrlKey || event.metaKey || event.isComposing || (event.altKey && key !== "ArrowUp")) return;
    if (key === "ArrowUp" && event.altKey || key === "Backspace" && !typing) up && up.click();
    else if (key === "ArrowUp" || key === "ArrowDown") step(key === "ArrowDown");
    else if (key === "/" && !typing) box.select();
    else if (key === "Enter" && typing) {
      const row = rows.find(row => !row.hidden);
      if (row) row.querySelector("a").click();
    } else if (key === "Escape" && typing) {
      box.value = "";
      box.oninput();
      box.blur();
    } else return;
    event.preventDefault();
  };
})();
