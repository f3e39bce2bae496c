// Small comforts for whoever has JavaScript; nothing here is needed.
(() => {
  "use strict";
  const field = (name) => document.getElementById(name);
  const digits = (text) => text.replace(/\D+/g, "");

  // A second click or Enter sends nothing again, until no answer came or somebody came back.
  const free = () => {
    for (const form of document.forms) form.removeAttribute("aria-busy");
  };
  for (const form of document.forms) {
    form.addEventListener("submit", (event) => {
      if (form.hasAttribute("aria-busy")) event.preventDefault();
      form.setAttribute("aria-busy", "true");
      setTimeout(free, 10000);
    });
  }
  addEventListener("pageshow", free);

  // What is being corrected is no longer marked as wrong.
  addEventListener("input", ({ target }) => {
    const marked = target.closest(".wrong");
    if (marked) {
      marked.classList.remove("wrong");
      target.removeAttribute("aria-invalid");
    }
  });

  // The part of the cheque that belongs to the field stays lit while its number is typed.
  const light = (name, on) => {
    const part = { transit_number: ".m1", institution_number: ".m2" }[name] ||
      (name.startsWith("account_number") && ".m3");
    const drawn = part && document.querySelector(".cheque " + part);
    if (drawn) drawn.classList.toggle("lit", on);
  };
  addEventListener("focusin", (event) => light(event.target.name || "", true));
  addEventListener("focusout", (event) => light(event.target.name || "", false));
  if (document.activeElement) light(document.activeElement.name || "", true);

  const transit = field("transit_number"), institution = field("institution_number");
  const account = field("account_number"), again = field("account_number_again");

  // Numbers lose blanks and dashes when the field is left; while typing nobody is interrupted.
  for (const each of [transit, institution, account, again, field("routing_number")]) {
    if (each) each.addEventListener("change", () => {
      const bare = each.value.replace(/[\s\u2010-\u2015\u2212-]+/g, "");
      if (/^\d*$/.test(bare)) each.value = bare;
      name();
    });
  }

  // The bank's name, as soon as its number is whole.
  const bank = field("bank");
  function name() {
    if (!bank || !institution) return;
    const number = digits(institution.value);
    const found = document.querySelector(`#institutions option[value="${number}"]`);
    bank.textContent = number.length === 3 && found ? found.textContent : "";
  }
  if (institution) institution.addEventListener("input", name);
  name();

  // "00002-003 1000001" or a cheque's whole line goes into its three fields.
  const takeApart = (event) => {
    const text = event.clipboardData.getData("text");
    const parts = text.match(/\d+/g) || [];
    const at = parts.findIndex((each, place) =>
      place < 2 && each.length === 5 && (parts[place + 1] || "").length === 3);
    const number = at < 0 ? "" : parts.slice(at + 2).join("");
    if (!number || /\p{L}/u.test(text) || text.length > 60) return;
    event.preventDefault();
    if (event.target === again) again.value = number;
    else {
      transit.value = parts[at];
      institution.value = parts[at + 1];
      account.value = number;
      again.focus();
    }
    name();
  };
  if (transit) for (const each of [transit, institution, account, again]) {
    each.addEventListener("paste", takeApart);
  }

  // An IBAN in groups of four, as it is printed.
  const iban = field("iban");
  if (iban) iban.addEventListener("input", () => {
    const atEnd = iban.selectionStart === iban.value.length;
    const bare = iban.value.toUpperCase().replace(/[^0-9A-Z]+/g, "");
    if (atEnd) iban.value = bare.replace(/(.{4})(?=.)/g, "$1 ");
  });
})();
