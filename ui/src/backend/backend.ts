import type { Commands, UiError, ViewEvent } from "$api";

export type CommandName = keyof Commands;
export type RequestOf<C extends CommandName> = Commands[C]["request"];
export type ReplyTo<C extends CommandName> = Commands[C]["reply"];

/** What comes from the node without being asked for. */
export type News =
  | { kind: "connected" }
  | { kind: "event"; event: ViewEvent }
  | { kind: "lost"; error: UiError };

/** What the desktop app knows of itself. */
export type AppInfo = {
  /** Version of the app. */
  version: string;
  /** Where the node's log is, if the app knows. */
  log: string | null;
  /** Whether it shows a demo in place of the owner's node. */
  demo: boolean;
};

/** What is chosen in a dialog of the system: something that is there, or a new file with a name proposed for it. */
export type Wanted = { what: "file" } | { what: "folder" } | { what: "new_file"; name: string };

/** What only the desktop app can do, not the node. */
export interface AppShell {
  info(): Promise<AppInfo>;
  startNode(): Promise<void>;
  quit(): Promise<void>;
  /** Lets a person choose a path; `null` if none was chosen. */
  choose(wanted: Wanted): Promise<string | null>;
  /** Shows a demo of real nodes; answers when the first of them does. */
  startDemo(): Promise<void>;
  leaveDemo(): Promise<void>;
  /** Stops an operator of the demo, or starts it again. */
  toggleOperator(number: number): Promise<void>;
  /** Hears where a tray, a link or a notification wants the window to go, until the returned function is called. */
  onGo(go: (to: string) => void): () => void;
  /** Whether the app, and with it the node, starts when the user signs in; decides it first, unless asked with `null`. */
  startsAtLogin(wanted: boolean | null): Promise<boolean>;
}

/** The one way to a node. */
export interface Backend {
  /** Asks the node. Throws a {@link Failure}. */
  call<C extends CommandName>(command: C, request: RequestOf<C>): Promise<ReplyTo<C>>;
  /** Listens until the returned function is called. The first event is a snapshot. */
  follow(hear: (news: News) => void): () => void;
  /** Asks for a snapshot: what is held does not fit what came. */
  resync(): void;
  /** `null` in a plain browser. */
  readonly app: AppShell | null;
}

/** An error in the four lines in which people read it. */
export class Failure extends Error {
  constructor(readonly error: UiError) {
    super(error.message);
    this.name = "Failure";
  }
}
