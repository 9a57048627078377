import type { SeatView } from "$api";

/** A place on the ring, in parts of its width and height from -1 to 1. */
export type Place = { x: number; y: number; upper: boolean };

/** Where the seats are: one's own at the bottom, the others clockwise in their order. */
export function places(seats: readonly SeatView[]): Place[] {
  const mine = Math.max(0, seats.findIndex((seat) => seat.me));
  return seats.map((_, index) => {
    const turn = ((index - mine + seats.length) % seats.length) / seats.length;
    const angle = Math.PI / 2 + turn * 2 * Math.PI;
    const [x, y] = [Math.cos(angle), Math.sin(angle)];
    return { x, y, upper: y < -0.35 };
  });
}

/** The seat that an arrow key leads to. */
export function neighbour(key: string, index: number, seats: number): number | null {
  switch (key) {
    case "ArrowRight":
    case "ArrowDown":
      return (index + 1) % seats;
    case "ArrowLeft":
    case "ArrowUp":
      return (index + seats - 1) % seats;
    case "Home":
      return 0;
    case "End":
      return seats - 1;
    default:
      return null;
  }
}

/** A piece of a circle for each of `parts`, clockwise from the bottom, as an SVG path. */
export function arcs(parts: number, radius: number, gapDegrees: number): string[] {
  return Array.from({ length: parts }, (_, index) => {
    const from = 90 + (index * 360) / parts + gapDegrees / 2;
    const to = 90 + ((index + 1) * 360) / parts - gapDegrees / 2;
    const [a, b] = [onCircle(from, radius), onCircle(to, radius)];
    return `M${a.x} ${a.y}A${radius} ${radius} 0 ${to - from > 180 ? 1 : 0} 1 ${b.x} ${b.y}`;
  });
}

export function onCircle(degrees: number, radius: number): { x: number; y: number } {
  const angle = (degrees * Math.PI) / 180;
  const round = (value: number): number => Math.round(value * 100) / 100;
  return { x: round(Math.cos(angle) * radius), y: round(Math.sin(angle) * radius) };
}

/** The tongues of a fire, left to right: the middle ones stand tallest. */
export function tongues(count: number): { lean: number; height: number; shift: number }[] {
  return Array.from({ length: count }, (_, index) => {
    const side = count === 1 ? 0 : (index / (count - 1)) * 2 - 1;
    return { lean: side * 20, height: 1 - 0.42 * Math.abs(side) ** 1.4, shift: side };
  });
}
