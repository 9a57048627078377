import "./styles/base.css";

import { mount } from "svelte";

import { chooseBackend } from "./backend/choose";
import NoBackend from "./shell/NoBackend.svelte";
import Shell from "./shell/Shell.svelte";
import { App } from "./model/app.svelte";

/** Not awaited at the top: what it loads shares code with this file, and each would wait for the other. */
async function start(target: HTMLElement): Promise<void> {
  const chosen = await chooseBackend();
  if (chosen === null) mount(NoBackend, { target });
  else mount(Shell, { target, props: { app: new App(chosen.backend, chosen.clock, window) } });
}

const target = document.getElementById("app");
if (target !== null) void start(target);
