// SPDX-License-Identifier: Apache-2.0
// Draws the charts and makes tables sortable. Names come from pipelines: they become text nodes
// or canvas text, never markup. The page says the same without this script.
(function () {
  "use strict";
  document.documentElement.classList.add("js");
  const data = JSON.parse(document.getElementById("data").textContent);
  const OUTCOMES = ["ran", "cached", "failed", "killed", "running"];
  const [RAN, CACHED, FAILED, KILLED, RUNNING] = [0, 1, 2, 3, 4];
  const DASHES = ["solid", "dashed", "dotted"];
  const FONT = getComputedStyle(document.body).fontFamily;

  /* -------------------------------------------------------------- colours ---- */

  // Of the style sheet, which has them for light and for dark screens; read anew when that changes.
  let look = colours();
  function colours() {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue("--" + name).trim();
    return {
      paper: of("paper"), ink: of("ink"), quiet: of("quiet"), line: of("line"), grid: of("grid"), edge: of("edge"),
      outline: of("outline"), chosen: of("chosen"), power: [0, 1, 2, 3].map((k) => of("power-" + k)),
    };
  }
  const still = () => ({ animation: false, textStyle: { fontFamily: FONT, color: look.ink } });
  const bubble = () => ({ confine: true, transitionDuration: 0, backgroundColor: look.paper, borderColor: look.line, textStyle: { color: look.ink } });

  /* ---------------------------------------------------------------- words ---- */

  function element(tag, text) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function tip(title, facts) {
    const box = element("div");
    box.className = "tip";
    const name = element("strong");
    name.append(element("bdi", title));
    const list = element("dl");
    for (const [term, value] of facts) {
      if (value === undefined || value === "") continue;
      const shown = element("dd");
      shown.append(element("bdi", value));
      list.append(element("dt", term), shown);
    }
    box.append(name, list);
    return box;
  }

  function clock(ms, step) {
    const s = Math.abs(ms) / 1000;
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    const sign = ms < 0 ? "-" : "";
    if (s < 60 && step < 1000) return sign + s.toFixed(step < 100 ? 2 : 1) + " s";
    if (s < 3600) return sign + Math.floor(s / 60) + ":" + two(s % 60);
    return sign + Math.floor(s / 3600) + ":" + two((s % 3600) / 60) + ":" + two(s % 60);
  }

  function watts(value) {
    return value === null || value === undefined ? "no reading"
      : value >= 100 ? value.toFixed(0) + " W" : Number(value.toPrecision(3)) + " W";
  }

  /* ------------------------------------------------------------- timeline ---- */

  function timeline(box) {
    const line = data.timeline, bars = line.bars, n = bars.lane.length;
    const nameOf = (i) => bars.name[i].map((k) => bars.words[k]).join(".");
    const leafOf = (i) => bars.words[bars.name[i][bars.name[i].length - 1]];
    const rowHeight = Math.max(4, Math.min(22, 560 / line.lanes));
    const lanesHeight = Math.max(60, Math.round(rowHeight * line.lanes));
    const powerHeight = line.power.length ? 150 : 0;
    const top = 26, gap = powerHeight ? 54 : 0;
    box.style.height = top + lanesHeight + gap + powerHeight + 76 + "px";
    const chart = echarts.init(box, null, { renderer: "canvas", devicePixelRatio: Math.max(2, devicePixelRatio || 1) });
    const onPath = new Uint8Array(n);
    line.path.forEach((i) => { onPath[i] = 1; });

    function draw(params, api) {
      const i = params.dataIndex;
      const from = api.coord([bars.start[i], bars.lane[i]]);
      const to = api.coord([bars.end[i], bars.lane[i] + 1]);
      const height = Math.max(1, to[1] - from[1] - (rowHeight > 8 ? 3 : 1));
      const inside = bars.inside[i];
      const whole = { x: from[0], y: from[1] + (inside ? height * 0.45 : 0), width: Math.max(to[0] - from[0], 1), height: inside ? height * 0.55 : height };
      const outcome = bars.outcome[i];
      if (outcome === CACHED) return cached(from[0], whole);
      const area = params.coordSys;
      const shape = echarts.graphic.clipRectByRect(whole, { x: area.x, y: area.y, width: area.width, height: area.height });
      if (!shape) return null;
      const stage = data.stages[bars.stage[i]], turns = bars.turns[i] || [];
      // A monolith is coloured by the stages inside it; its name stands in the first's ink.
      const pieces = turns.map(([of, until], k) => {
        const left = api.coord([bars.start[i] + (k ? turns[k - 1][1] : 0), 0])[0], right = api.coord([bars.start[i] + until, 0])[0];
        const x = Math.max(left, shape.x), width = Math.min(right, shape.x + shape.width) - x;
        return { of: data.stages[of], x: x, width: width };
      }).filter((piece) => piece.width > 0);
      const children = pieces.map((piece) => ({
        type: "rect", silent: true, shape: { x: piece.x, y: shape.y, width: piece.width, height: shape.height },
        style: { fill: piece.of.colour, fillOpacity: outcome === RAN ? 1 : 0.55 },
      }));
      children.push({
        type: "rect", shape: shape,
        style: { fill: pieces.length ? "transparent" : stage.colour, fillOpacity: outcome === RAN ? 1 : 0.55, stroke: onPath[i] ? look.ink : look.outline === "transparent" ? look.paper : look.outline, lineWidth: !onPath[i] ? 0.5 : shape.width > 6 ? 2 : 1 },
      });
      if ((pieces.length ? pieces[0].width : shape.width) > 34 && shape.height > 10) {
        children.push({
          type: "text", silent: true,
          style: {
            text: leafOf(i), x: shape.x + 5, y: shape.y + shape.height / 2, verticalAlign: "middle",
            width: (pieces.length ? pieces[0].width : shape.width) - 10, overflow: "truncate", ellipsis: "…", fill: outcome !== RAN ? look.ink : pieces.length ? pieces[0].of.ink : stage.ink,
            font: Math.min(12, shape.height - 2) + "px " + FONT,
          },
        });
      }
      if (outcome !== RAN) children.push(mark(outcome, shape));
      return { type: "group", children: children };
    }

    function mark(outcome, shape) {
      const sign = outcome === FAILED ? "×" : outcome === KILLED ? "■" : "›";
      return {
        type: "text", silent: true,
        style: { text: sign, x: shape.x + shape.width, y: shape.y + shape.height / 2, align: "right", verticalAlign: "middle",
          fill: look.ink, stroke: look.paper, lineWidth: 3, font: "700 " + Math.max(11, Math.min(17, shape.height)) + "px " + FONT },
      };
    }

    function cached(x, whole) {
      const middle = whole.y + whole.height / 2, half = Math.max(2, Math.min(5, whole.height / 2));
      return {
        type: "polygon",
        shape: { points: [[x, middle - half], [x + half, middle], [x, middle + half], [x - half, middle]] },
        style: { fill: look.paper, stroke: look.ink, lineWidth: 1 },
      };
    }

    function barTip(i) {
      return tip(nameOf(i), [
        ["stage", bars.turns[i] ? "several: coloured by them" : data.stages[bars.stage[i]].name],
        ["energy", bars.energy[i]],
        ["range", bars.range[i]],
        ["took", bars.outcome[i] === CACHED ? "no time" : bars.took[i]],
        ["started at", clock(bars.start[i], 1000)],
        ["outcome", OUTCOMES[bars.outcome[i]] + (onPath[i] ? ", on the critical path" : "")],
        ["error", bars.error[i]],
        ["host", line.hosts.length > 1 ? line.hosts[bars.host[i]] : ""],
      ]);
    }

    const rows = new Array(n);
    for (let i = 0; i < n; i++) rows[i] = [bars.start[i], bars.end[i], bars.lane[i]];
    const end = Math.max(line.total, 1, ...line.power.map((p) => p.t[p.t.length - 1]));
    function paint() {
      const time = (index, shown) => ({
        type: "value", gridIndex: index, min: 0, max: end,
        axisLine: { lineStyle: { color: look.quiet } }, splitLine: { lineStyle: { color: look.grid } },
        axisTick: { show: shown }, axisLabel: { show: shown, color: look.quiet, hideOverlap: true, formatter: (ms) => clock(ms, end / 8) },
        axisPointer: { label: { formatter: (at) => clock(at.value, 100) } },
      });
      const grids = [{ left: 52, right: 14, top: top, height: lanesHeight }];
      const xAxis = [time(0, true)];
      const yAxis = [{ type: "value", gridIndex: 0, min: 0, max: line.lanes, inverse: true, show: false }];
      const series = [{
        id: "nodes", name: "nodes", type: "custom", renderItem: draw, data: rows, encode: { x: [0, 1], y: 2 },
        clip: true, progressive: 0,
      }];
      if (line.titles.length) {
        series.push({
          id: "hosts", type: "custom", silent: true, data: line.titles.map((t) => [0, t[0], t[1]]), encode: { y: 1 },
          renderItem: (params, api) => {
            const at = api.coord([0, api.value(1)]);
            return { type: "text", style: { text: line.hosts[api.value(2)], x: params.coordSys.x + 2, y: at[1] + rowHeight / 2, verticalAlign: "middle",
              fill: look.quiet, font: "600 " + Math.max(9, Math.min(12, rowHeight)) + "px " + FONT, width: params.coordSys.width - 4, overflow: "truncate" } };
          },
        });
      }
      if (powerHeight) {
        grids.push({ left: 52, right: 14, top: top + lanesHeight + gap, height: powerHeight, tooltip: { trigger: "axis" } });
        xAxis.push(time(1, true));
        yAxis.push({
          type: "value", gridIndex: 1, name: line.power.length > 1 ? "hosts' power, W" : "host power, W", nameLocation: "end", nameGap: 8,
          nameTextStyle: { color: look.quiet, align: "left", padding: [0, 0, 0, -40] }, min: 0,
          axisLabel: { color: look.quiet }, splitLine: { lineStyle: { color: look.grid } }, splitNumber: 3,
        });
        line.power.forEach((power, k) => series.push(powerSeries(power, k)));
      }
      chart.setOption({
        ...still(), aria: { enabled: false }, grid: grids, xAxis: xAxis, yAxis: yAxis, series: series,
        axisPointer: { link: [{ xAxisIndex: "all" }] },
        legend: line.power.length > 1 ? { data: line.power.map((p) => line.hosts[p.host]), type: "scroll", top: top + lanesHeight + gap - 26, right: 10, textStyle: { color: look.ink, width: 160, overflow: "truncate" }, pageTextStyle: { color: look.quiet }, pageIconColor: look.ink, pageIconInactiveColor: look.line } : undefined,
        tooltip: {
          ...bubble(), trigger: "item",
          formatter: (at) => Array.isArray(at) ? powerTip(at) : at.seriesId === "nodes" ? barTip(at.dataIndex) : "",
        },
        dataZoom: [
          { type: "slider", xAxisIndex: powerHeight ? [0, 1] : [0], filterMode: "none", height: 22, bottom: 8, labelFormatter: (ms) => clock(ms, 100),
            brushSelect: false, borderColor: look.line, backgroundColor: look.paper, textStyle: { color: look.quiet }, handleStyle: { color: look.paper, borderColor: look.edge },
            fillerColor: look.chosen, showDataShadow: false },
          { type: "inside", xAxisIndex: powerHeight ? [0, 1] : [0], filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false, moveOnMouseMove: true, preventDefaultMouseMove: false },
        ],
      });
    }

    function powerSeries(power, k) {
      const points = [];
      for (let i = 0; i < power.w.length; i++) {
        // A gap ends the line where the last reading was, not before it.
        if (power.w[i] === null && i && power.w[i - 1] !== null) points.push([power.t[i], power.w[i - 1]]);
        points.push([power.t[i], power.w[i]]);
      }
      if (power.w.length) points.push([power.t[power.w.length], power.w[power.w.length - 1]]);
      const colour = look.power[k % look.power.length];
      return {
        id: "power-" + k, name: line.hosts[power.host], type: "line", xAxisIndex: 1, yAxisIndex: 1, data: points, step: "end", showSymbol: false, symbol: "none",
        lineStyle: { color: colour, width: 1.5, type: DASHES[k % DASHES.length] }, itemStyle: { color: colour },
        areaStyle: line.power.length === 1 ? { color: colour, opacity: 0.12 } : undefined,
      };
    }

    function powerTip(points) {
      const ms = points[0].axisValue;
      return tip(clock(ms, 100), line.power.map((power) => {
        let i = power.t.length - 2;
        while (i > 0 && power.t[i] > ms) i--;
        const range = power.w[i] === null || power.w[i] === undefined ? "" : " (" + watts(power.low[i]) + " to " + watts(power.high[i]) + ")";
        return [line.hosts[power.host], watts(power.w[i]) + range];
      }));
    }

    const joined = line.power.map((p) => p.joined).filter(Boolean);
    if (joined.length) document.getElementById("joined").textContent = "Power: neighbouring readings are joined to at least " + joined[0] + "; energy is kept.";
    paint();
    zooming(chart, box);
    return { chart: chart, paint: paint };
  }

  function zooming(chart, box) {
    function move(how) {
      const zoom = chart.getOption().dataZoom[0];
      let from = zoom.start, to = zoom.end, width = to - from, middle = (from + to) / 2;
      if (how === "all") { from = 0; to = 100; }
      if (how === "in" || how === "out") {
        width = Math.min(100, Math.max(0.02, how === "in" ? width / 2 : width * 2));
        from = middle - width / 2; to = middle + width / 2;
      }
      if (how === "left" || how === "right") {
        const by = width / 4 * (how === "left" ? -1 : 1);
        from += by; to += by;
      }
      if (from < 0) { to -= from; from = 0; }
      if (to > 100) { from -= to - 100; to = 100; }
      chart.dispatchAction({ type: "dataZoom", dataZoomIndex: 0, start: Math.max(from, 0), end: to });
    }
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => move(button.dataset.zoom));
    }
    // ECharts would keep the wheel from scrolling the page even where it does not zoom.
    for (const wheel of ["wheel", "mousewheel"]) {
      box.addEventListener(wheel, (event) => { if (!event.ctrlKey) event.stopPropagation(); }, { capture: true, passive: true });
    }
    const keys = { ArrowLeft: "left", ArrowRight: "right", "+": "in", "=": "in", "-": "out", 0: "all", Home: "all" };
    box.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      move(keys[event.key]);
    });
  }

  /* -------------------------------------------------------------- treemap ---- */

  function treemap(box, select) {
    const chart = echarts.init(box, null, { renderer: "canvas", devicePixelRatio: Math.max(2, devicePixelRatio || 1) });
    // What stands beside a name keeps its order, whichever way the name is written.
    const isolated = (name) => "\u2068" + name + "\u2069";
    function dressed(branch, stage, path) {
      const shade = data.stages[stage];
      const made = { name: branch.name, value: branch.value, text: branch.text, path: path, itemStyle: { color: shade.colour }, label: { color: shade.ink } };
      if (branch.children && branch.children.length) made.children = branch.children.map((child, i) => dressed(child, stage, path.concat(i)));
      return made;
    }
    const places = new Map(data.stages.map((stage, i) => [stage.name, i]));
    const stages = data.tree.map((branch, i) => dressed(branch, places.get(branch.name), [i]));
    const leafName = (name) => name.slice((name.includes("/") ? name.lastIndexOf("/") : name.lastIndexOf(".", name.length - 2)) + 1);

    // Everything for an empty path, else what it leads to: by stage, node and step.
    function open(path) {
      const shown = path.reduce((branch, i) => branch.children[i], { children: stages });
      const inner = { itemStyle: { gapWidth: 1, borderColor: look.paper, borderWidth: 1 } };
      chart.clear();  // ECharts would leave labels of what was shown before.
      chart.setOption({
        ...still(),
        tooltip: {
          ...bubble(),
          formatter: (at) => at.data && at.data.text ? tip(at.name, [["energy", at.data.text]]) : "",
        },
        series: [{
          id: "tree", type: "treemap", name: "all stages", roam: false, nodeClick: false, leafDepth: path.length ? 3 : 2, drillDownIcon: "", left: 0, right: 0, top: 0, bottom: 4,
          data: path.length ? [shown] : stages, visibleMin: 12, breadcrumb: { show: false },
          label: { show: true, fontSize: 12, lineHeight: 16, overflow: "truncate", position: "insideTopLeft", formatter: (at) => isolated(leafName(at.name)) + "\n" + at.data.text },
          upperLabel: { show: true, color: look.ink, backgroundColor: look.paper, height: 22, fontSize: 12.5, fontWeight: 600, overflow: "truncate", formatter: (at) => at.data && at.data.text ? isolated(at.name) + "   " + at.data.text : "" },
          levels: [
            { itemStyle: { borderColor: look.paper, borderWidth: 0, gapWidth: 3 }, upperLabel: { show: false } },
            { itemStyle: { gapWidth: 1, borderColor: look.paper, borderWidth: 2 } },
            inner, inner,
          ],
        }],
      });
      const value = path.join("/");
      for (const other of select.querySelectorAll("[data-deep]")) other.remove();
      if (path.length > 1) {
        const deep = new Option(shown.name + ", " + shown.text, value);
        deep.dataset.deep = "";
        select.options[path[0] + 1].after(deep);
      }
      select.value = value;
    }

    select.append(new Option("all stages", ""), ...stages.map((stage, i) => new Option(stage.name + ", " + stage.text, i)));
    select.addEventListener("change", () => paint());
    chart.on("click", (at) => {
      if (!at.data || !at.data.path) return;
      // A stage opens first, whatever in it was hit; then what has parts; and what is open closes.
      const now = select.value, path = now === "" ? at.data.path.slice(0, 1) : at.data.children ? at.data.path : null;
      if (path) open(path.join("/") === now ? [] : path);
    });
    const paint = () => open(select.value ? select.value.split("/").map(Number) : []);
    paint();
    return { chart: chart, paint: paint };
  }

  /* --------------------------------------------------------------- tables ---- */

  function sortable(table) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = element("button", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const isNumber = head.classList.contains("number");
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : isNumber;
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => {
          const cell = row.cells[column];
          if (!isNumber) return cell.textContent.trim().toLowerCase();
          return cell.dataset.key === undefined ? null : Number(cell.dataset.key);
        };
        const sign = down ? -1 : 1;
        const rows = [...body.rows].map((row) => [key(row), row]);
        rows.sort(([a], [b]) => a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * (isNumber ? a - b : a.localeCompare(b)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  document.querySelectorAll("table[data-sortable]").forEach(sortable);
  const charts = [];
  const times = document.getElementById("timeline"), tree = document.getElementById("treemap");
  if (times) charts.push(timeline(times));
  if (tree) charts.push(treemap(tree, document.getElementById("opened")));
  function repaint() {
    look = colours();
    charts.forEach((one) => one.paint());
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  for (const [event, isPaper] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => {
      document.documentElement.classList.toggle("paper", isPaper);
      repaint();
    });
  }
  let waiting = 0;
  addEventListener("resize", () => {
    // On paper the charts are pictures: the style sheet gives them their size.
    if (matchMedia("print").matches) return;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => charts.forEach((one) => one.chart.resize()));
  });
})();
