// The page: two phones, a country and a language for both, and what to try.

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

async function open() {
  const world = await (await fetch("/phone/world.json")).json();
  const phones = PEOPLE.map(build);
  const tour = new Tour(byId("try"), phones);
  const show = new Show(byId("try"), phones);
  const country = byId("country");
  const language = byId("language");

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
  byId("training").hidden = world.mode !== "training";
  byId("demo").hidden = world.mode !== "demo";
  spoken();
  document.body.dataset.ready = "yes";
}

open();
