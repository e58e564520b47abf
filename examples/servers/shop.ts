/**
 * The server that `09-fetching.ts` fetches from, real HTTP on loopback: `/items/3` and `/prices/3` are answered after
 * 30 ms, every fifth item is refused at the first try. It keeps a log of what it was asked and how that ended.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LATENCY = 30;
const SLOW = 2_000;

export const IDS: number[] = Array.from({ length: 24 }, (_, index) => index + 1);

export interface Item {
  id: number;
  price?: unknown;
}

export interface Shop extends AsyncDisposable {
  readonly origin: string;
  /** `asked /items/5`, `503 /items/5`, `asked /items/5`, `200 /items/5`, `aborted /prices/5`, in the order of the events. */
  readonly log: string[];
  /** Has answers about later items take 2 s. */
  getsSlow(): void;
  /** Settles when no request is under way, with the time at which the last has ended. */
  idle(): Promise<number>;
}

export async function openShop(): Promise<Shop> {
  const log: string[] = [];
  const ends: Promise<unknown>[] = [];
  let lastEnd = 0;
  let isSlow = (_path: string) => false;

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
    const timer = setTimeout(() => answer(path, response), isSlow(path) ? SLOW : LATENCY);
    response.once('close', () => {
      clearTimeout(timer);
      lastEnd = performance.now();
      if (!response.writableEnded) log.push(`aborted ${path}`);
    });
    ends.push(once(response, 'close'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');

  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    /** An item is found before its price is asked for, so that those of later items are asked for earlier. */
    getsSlow() {
      isSlow = (path) => Number(path.split('/')[2]) > (path.startsWith('/prices/') ? 3 : 7);
    },
    async idle() {
      for (let seen = -1; seen < ends.length;) {
        seen = ends.length;
        await Promise.all(ends);
        await sleep(100); // Time for who was answered to ask again.
      }
      return lastEnd;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
