/** A service that is slow and not to be relied on, as they are: `GET /prices/7` answers with the price of order 7. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** In milliseconds, for each answer. */
const LATENCY = 20;

interface PriceService {
  origin: string;
  /** Has the service hang up on those who ask for this order or a later one. */
  goDownAt(order: number): void;
  stop(): void;
}

export async function startPriceService(): Promise<PriceService> {
  let firstWithoutAnswer = Infinity;
  const server = createServer((request, response) => {
    const order = Number(request.url!.split('/')[2]);
    if (order >= firstWithoutAnswer) request.socket.destroy();
    else setTimeout(() => response.end(JSON.stringify({ price: order / 4 })), LATENCY);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    goDownAt(order) {
      firstWithoutAnswer = order;
    },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
