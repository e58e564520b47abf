/**
 * The server that `09-fetching.ts` fetches from, real HTTP on loopback: `/items/3` and `/prices/3` are answered after
 * 30 ms, every fifth item is refused at the first try. It keeps a log of what it was asked and how that ended.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const LATENCY = 30;
const SLOW = 5_000;

export interface Shop extends AsyncDisposable {
  readonly origin: string;
  /** `asked /items/5`, `503 /items/5`, `asked /items/5`, `200 /items/5`, `aborted /prices/5`, in the order of the events. */
  readonly log: string[];
  /** The paths whose answers take 5 s. */
  readonly slowPaths: Set<string>;
}

export async function openShop(): Promise<Shop> {
  const log: string[] = [];
  const slowPaths = new Set<string>();
  const ends: Promise<unknown>[] = [];

  function answer(path: string, response: ServerResponse) {
    const [, kind, id] = path.split('/');
    const isOverloaded = kind === 'items' && Number(id) % 5 === 0 && !log.includes(`503 ${path}`);
    response.statusCode = isOverloaded ? 503 : 200;
    log.push(`${response.statusCode} ${path}`);
    response.end(JSON.stringify(kind === 'items' ? { id: Number(id) } : Number(id) * 10));
  }

  const server = createServer((request, response) => {
    const path = request.url!;
    log.push(`asked ${path}`);
    const timer = setTimeout(() => answer(path, response), slowPaths.has(path) ? SLOW : LATENCY);
    response.once('close', () => {
      clearTimeout(timer);
      if (!response.writableEnded) log.push(`aborted ${path}`);
    });
    ends.push(once(response, 'close'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');

  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    slowPaths,
    /** Takes no more requests, and waits for the end of those under way. */
    async [Symbol.asyncDispose]() {
      await once(server.close(), 'close');
      await Promise.all(ends);
    },
  };
}
