// Numbers and times as people read them.

const two = (number) => String(number).padStart(2, "0");

export const count = (number) => number.toLocaleString("en-US");

export const sites = (number) => `${count(number)} ${number === 1 ? "site" : "sites"}`;

// The time of day in UTC, which is what logs and people on other continents use.
export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
}

export const day = (ms) => new Date(ms).toISOString().slice(0, 10);

// A time that passes: 0:42, 12:05, 1:02:33; over two days in days and hours.
export function span(ms) {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(whole / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

// A length, such as a limit: 4 s, 2.5 s, 2 min.
export function length(ms) {
  const seconds = ms / 1000;
  if (seconds >= 120 && seconds % 30 === 0) return `${seconds / 60} min`;
  return `${Number(seconds.toFixed(3))} s`;
}

// Bounds in seconds, rounded outward so that they never promise too much.
export function bracket(pair) {
  if (!pair) return "not known";
  return `${(Math.floor(pair[0] / 10) / 100).toFixed(2)}–${(Math.ceil(pair[1] / 10) / 100).toFixed(2)} s`;
}

// Rounded down: what is not whole is never said to be.
export const percent = (part, whole) => (whole ? Math.floor((100 * part) / whole) : 0);
