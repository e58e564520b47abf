/** What each worker thread of `08-worker-threads.ts` runs, and what that program runs on its own thread to compare. */
import bcrypt from 'bcryptjs';

export interface Account {
  name: string;
  password: string;
  salt: string;
}

/** Slow on purpose: some 0.1 s for an account, all of it computation in JavaScript. */
export default function hashed({ name, password, salt }: Account): string {
  return `${name},${bcrypt.hashSync(password, salt)}\n`;
}
