/** Where the window gets its time from, so that a test can hold it still. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `act` again and again until the returned function is called. */
  every(ms: number, act: () => void): () => void;
  /** Calls `act` once, unless the returned function is called before. */
  after(ms: number, act: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  every(ms, act) {
    const timer = setInterval(act, ms);
    return () => {
      clearInterval(timer);
    };
  },
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};
