// The page: two phones, a country, a language and a size for both, what to try, and what the hotline gets.

import { Phone } from "./phone.js";
import { Show } from "./show.js";
import { Tour } from "./tour.js";

const PEOPLE = [
  ["Lisi", "Her brother"],
  ["Tom", "His sister"],
];
const DIGITS = 3; // the last ones of a number, drawn anew each time

const byId = (id) => document.getElementById(id);

function build(people, n) {
  const root = byId("a-phone").content.cloneNode(true).firstElementChild;
  root.classList.add(n ? "clay" : "ocean");
  root.setAttribute("aria-label", n ? "The phone on the right" : "The phone on the left");
  byId("phones").append(root);
  return new Phone(root, people);
}

// The demo's hotline shows in a page of its own what it has received; web may not read it.
function showHotline(address) {
  if (!address) return;
  const frame = document.createElement("iframe");
  frame.title = "What the demo's hotline has received";
  frame.src = address;
  byId("hotline-alone").href = address;
  byId("hotline").append(frame);
  byId("hotline").hidden = byId("to-hotline").hidden = false;
}

async function open() {
  const world = await (await fetch("/phone/world.json")).json();
  const phones = PEOPLE.map(build);
  const tour = new Tour(byId("try"), phones);
  const show = new Show(byId("try"), phones);
  const country = byId("country");
  const language = byId("language");
  const size = byId("size");

  // All as new: what another country's phones did is forgotten.
  const settle = () => {
    const chosen = world.countries[country.selectedIndex];
    const drawn = crypto.getRandomValues(new Uint16Array(1))[0];
    show.stop();
    phones.forEach((phone, n) => {
      const last = String(drawn + n).slice(-DIGITS).padStart(DIGITS, "0");
      phone.settle(chosen, language.value, chosen.number + last);
    });
    tour.clear();
  };
  const spoken = () => {
    const { languages } = world.countries[country.selectedIndex];
    language.replaceChildren(...languages.map((name) => new Option(name)));
    settle();
  };
  country.append(...world.countries.map(({ name }) => new Option(name)));
  country.addEventListener("change", spoken);
  language.addEventListener("change", settle);
  const resized = () => phones.forEach((phone) => phone.resize(size.value === "small"));
  size.addEventListener("change", resized);
  resized();
  byId("training").hidden = world.mode !== "training";
  byId("demo").hidden = world.mode !== "demo";
  showHotline(world.hotline);
  spoken();
  document.body.dataset.ready = "yes";
}

open();
