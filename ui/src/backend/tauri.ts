import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";

import type { AppInfo, Backend, CommandName, News, ReplyTo, RequestOf, Wanted } from "./backend";
import { Failure } from "./backend";
import { asUiError } from "./errors";

/** Commands that the app itself answers. */
type AppCommands = {
  app_watch: { request: Record<symbol, never>; reply: unknown };
  app_info: { request: Record<symbol, never>; reply: AppInfo };
  app_start_node: { request: Record<symbol, never>; reply: unknown };
  app_choose: { request: Wanted; reply: string | null };
  app_quit: { request: Record<symbol, never>; reply: unknown };
  app_start_demo: { request: Record<symbol, never>; reply: unknown };
  app_leave_demo: { request: Record<symbol, never>; reply: unknown };
  app_toggle_operator: { request: { number: number }; reply: unknown };
  app_starts_at_login: { request: { wanted: boolean | null }; reply: boolean };
};

async function rpc<T>(command: string, request: unknown): Promise<T> {
  try {
    return await invoke<T>("rpc", { command, request });
  } catch (thrown) {
    throw new Failure(asUiError(thrown));
  }
}

function app<C extends keyof AppCommands>(command: C, request: AppCommands[C]["request"] = {}): Promise<AppCommands[C]["reply"]> {
  return rpc(command, request);
}

/** Through the desktop app, which holds the connection to the node. */
export class TauriBackend implements Backend {
  #hear: ((news: News) => void) | null = null;

  readonly app = {
    info: () => app("app_info"),
    startNode: async () => {
      await app("app_start_node");
    },
    choose: (wanted: Wanted) => app("app_choose", wanted),
    startsAtLogin: (wanted: boolean | null) => app("app_starts_at_login", { wanted }),
    startDemo: async () => {
      await app("app_start_demo");
    },
    leaveDemo: async () => {
      await app("app_leave_demo");
    },
    toggleOperator: async (number: number) => {
      await app("app_toggle_operator", { number });
    },
    onGo: (go: (to: string) => void) => {
      const listening = listen<string>("go", ({ payload }) => {
        go(payload);
      });
      return () => {
        void listening.then((stop) => {
          stop();
        });
      };
    },
    quit: async () => {
      await app("app_quit");
    },
  };

  call<C extends CommandName>(command: C, request: RequestOf<C>): Promise<ReplyTo<C>> {
    return rpc(command, request);
  }

  follow(hear: (news: News) => void): () => void {
    this.#hear = hear;
    let over = false;
    const listening = listen<News>("node", ({ payload }) => {
      if (!over) hear(payload);
    });
    // Only now: a snapshot sent before anybody listens is lost.
    listening.then(
      () => {
        this.resync();
      },
      (thrown: unknown) => {
        hear({ kind: "lost", error: asUiError(thrown) });
      },
    );
    return () => {
      over = true;
      this.#hear = null;
      void listening.then((stop) => {
        stop();
      });
    };
  }

  resync(): void {
    app("app_watch").catch((thrown: unknown) => {
      this.#hear?.({ kind: "lost", error: asUiError(thrown) });
    });
  }
}
