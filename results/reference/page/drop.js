"use strict";
/* Your own network: drop an ONNX file or a table of layers, and see its shapes priced. */
(() => {
  const { make, engineering, percent } = hwsim;
  const EXAMPLE = "name,kind,inputs,channels,height,width,filters,kernel,stride,pad\nconv1,conv,,3,32,32,64,3,1,1\nrelu1,relu,,,,,,,,\npool1,maxpool,,,,,,2,2,\nconv2,conv,,,,,128,3,1,1\nrelu2,relu,,,,,,,,\npool2,globalpool,,,,,,,,\nfc,fc,,,,,10,,,\n";
  const LARGEST = 10;
  let chip = "reference_250w";
  let network = { name: "resnet18", layers: null, file: "resnet18" };
  let factor = 1;

  const data = () => hwsim.shapes.closed_form;

  /* How far the closed form is off on the shipped networks, on each chip, the nearest first. */
  const known = {};
  const departures = (on) => {
    known[on] ??= Object.values(data().networks).map(({ layers, simulated }) => Math.abs(hwsim.closedForm(data().chips[on], layers).total / simulated[on].energy_J - 1)).sort((a, b) => a - b);
    return known[on];
  };

  const show = () => {
    const { chips, networks } = data();
    const layers = network.layers ?? networks[network.name].layers;
    const found = hwsim.closedForm(chips[chip], layers);
    const simulated = network.layers ? null : networks[network.name].simulated[chip];
    const section = hwsim.byId("yours");
    section.dataset.joules = found.total;
    hwsim.byId("yours-say").replaceChildren(make("strong", {}, `${network.file} on the ${chips[chip].title}: `),
      `about ${engineering(found.total, "J")} and ${engineering(found.seconds, "s")} per inference, limited by ${found.limiter === "bandwidth" ? "DRAM bandwidth" : found.limiter}.`,
      ...(simulated ? [` The simulator finds ${engineering(simulated.energy_J, "J")} and ${engineering(simulated.period_s, "s")}.`] : []));
    hwsim.byId("yours-facts").replaceChildren(...[
      ["Weights", engineering(found.weights)], ["Stored", engineering(found.storedB, "B")], ["Multiply-adds", engineering(found.macs)], ["Arithmetic", chips[chip].arithmetic],
    ].map(([label, value]) => make("div", { class: "stat" }, make("dt", {}, label), make("dd", {}, value))));
    hwsim.energyRows(hwsim.byId("yours-rows"), [{ joules: found.components }], factor);
    const sorted = [...found.rows].sort((a, b) => b.total - a.total);
    const cells = (row) => [engineering(row.weights), engineering(row.macs), engineering(row.dramB, "B"), engineering(row.total, "J"), percent(row.total / found.total)];
    hwsim.byId("yours-layers").replaceChildren(
      make("thead", {}, make("tr", {}, ...["layer", "weights", "multiply-adds", "DRAM traffic", "energy", "of all"].map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...sorted.slice(0, LARGEST).map((row) => make("tr", {}, make("th", { scope: "row" }, row.name), ...cells(row).map((text) => make("td", {}, text))))));
    hwsim.byId("yours-command").replaceChildren(hwsim.command(`hwsim run ${chip} ${/[^\w./-]/.test(network.file) ? `'${network.file}'` : network.file}${network.layers ? "" : " --stage dense"}`));
    const off = departures(chip);
    hwsim.byId("yours-accuracy").textContent = `This is an approximation, worked out here by a closed form for a dense network at batch 1. On ${off.length} shipped networks and this chip it is within ${percent(off[off.length - 1])} of the simulator, half of them within ${percent(off[Math.floor(off.length / 2)])}. The command gives the exact run.`;
  };

  const refuse = (error, what) => {
    hwsim.byId("yours-error").replaceChildren(make("strong", {}, `${what} cannot be priced here: `), `${error.message}.`);
    hwsim.byId("yours-error").hidden = false;
  };

  const take = (what, read) => {
    hwsim.byId("yours-error").hidden = true;
    try {
      network = { name: null, layers: read(), file: what };
      hwsim.closedForm(data().chips[chip], network.layers);
      hwsim.byId("yours-ours").value = "";
      show();
    } catch (error) {
      network = { name: "resnet18", layers: null, file: "resnet18" };
      refuse(error, what);
    }
  };

  const open = async (file) => {
    if (/\.onnx$/i.test(file.name)) {
      const buffer = await file.arrayBuffer();
      take(file.name, () => hwsim.readOnnx(buffer));
    } else {
      const text = await file.text();
      hwsim.byId("yours-table").value = text.slice(0, 20000);
      take(file.name, () => hwsim.readTable(text));
    }
  };

  const build = () => {
    const { chips, networks } = data();
    const names = Object.keys(chips);
    hwsim.byId("yours-chip").append(hwsim.radios("yours-chip-choice", "Chip", names.map((name) => chips[name].title), names.indexOf(chip), (at) => { chip = names[at]; show(); }));
    hwsim.byId("yours-magnifier").append(hwsim.magnifier("magnify-yours", (times) => { factor = times; show(); }));
    const select = hwsim.byId("yours-ours");
    select.append(make("option", { value: "" }, "choose one"), ...Object.keys(networks).map((name) => make("option", { value: name }, name)));
    select.value = network.name;
    select.addEventListener("change", () => { if (select.value) { network = { name: select.value, layers: null, file: select.value }; hwsim.byId("yours-error").hidden = true; show(); } });
    const input = hwsim.byId("yours-file");
    input.addEventListener("change", () => { if (input.files[0]) open(input.files[0]); });
    const zone = hwsim.byId("drop-zone");
    for (const kind of ["dragover", "dragleave", "drop"]) {
      zone.addEventListener(kind, (event) => {
        event.preventDefault();
        zone.classList.toggle("over", kind === "dragover");
        if (kind === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
      });
    }
    const table = hwsim.byId("yours-table");
    table.value = EXAMPLE;
    hwsim.byId("yours-price").addEventListener("click", () => take("layers.csv", () => hwsim.readTable(table.value)));
  };

  let built = null;
  hwsim.startDrop = () => hwsim.views.push(async () => {
    if (hwsim.byId("yours").hidden) return;
    built ??= hwsim.load("shapes.js").then(build);
    await built;
    show();
  });
})();
