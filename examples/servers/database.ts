/** The database that an example works with. */
import { Pool } from 'pg';

/** Connects to the server that `DATABASE_URL` names. By its name, the server tells the sessions of a program from others. */
export function openDatabase(name: string): Pool {
  const connectionString = process.env['DATABASE_URL'];
  if (!connectionString)
    throw new Error('"DATABASE_URL" must name a server, like postgres://user:password@host/database, got nothing');
  return new Pool({ connectionString, application_name: `${name} ${process.pid}` });
}

/** Has the server give up what it does for the sessions of this program, which then fails. */
export function cancelStatements(database: Pool): void {
  const query = `select pg_cancel_backend(pid) from pg_stat_activity
    where application_name = current_setting('application_name') and pid <> pg_backend_pid()`;
  database.query(query).catch((error: Error) => console.error(`Cannot cancel: ${error.message}`));
}
