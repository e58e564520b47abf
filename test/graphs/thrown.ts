/** What generators throw in random programs, and how it prints. */

/** Thrown by identity; those that streams cannot carry come last. */
export const THROWN: unknown[] = [
  new Error('zero'),
  new Error('one'),
  { an: 'object' },
  'text',
  undefined,
  null,
  0,
  '',
];
export const TRUTHY: number = 4;

/** Whether a generator threw it. Others belong to nobody's work, and are not to be caught. */
export function isThrown(error: unknown): boolean {
  return THROWN.includes(error);
}

/** An error by its number. */
export function nameOf(error: unknown): string {
  const index = THROWN.indexOf(error);
  return index === -1 ? `not thrown by any generator: ${String(error)}` : `thrown ${index}`;
}
