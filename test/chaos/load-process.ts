/**
 * The load client as a process of its own, so that it is not held up by what the script does.
 *
 * The second half of this file is what the process runs, from the build.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Http2LoadClient } from './http2-load-client.js';
import { LoadClient, type LoadPlan } from './load-client.js';
import type { LoadFigures } from './load-tally.js';

type Order = { readonly start: LoadPlan } | 'take' | 'stop';

export class LoadProcess {
  private readonly answers: ((figures: LoadFigures) => void)[] = [];

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (figures: LoadFigures) => this.answers.shift()?.(figures));
  }

  static start(plan: LoadPlan): LoadProcess {
    const child = fork(fileURLToPath(import.meta.url), { serialization: 'advanced' });
    const load = new LoadProcess(child);
    load.order({ start: plan });
    return load;
  }

  /** What has come since the last time. */
  take(): Promise<LoadFigures> {
    return this.ask('take');
  }

  /** Ends the load; the figures since the last time. */
  async stop(): Promise<LoadFigures> {
    const figures = await this.ask('stop');
    await new Promise((resolve) => {
      this.child.once('exit', resolve);
      this.child.disconnect();
    });
    return figures;
  }

  private ask(order: Order): Promise<LoadFigures> {
    return new Promise((resolve) => {
      this.answers.push(resolve);
      this.order(order);
    });
  }

  private order(order: Order): void {
    this.child.send(order);
  }
}

function serve(): void {
  let client: LoadClient | Http2LoadClient | null = null;
  process.on('message', async (order: Order) => {
    if (typeof order === 'object') {
      const { start } = order;
      client = start.isHttp2 === true ? new Http2LoadClient(start) : new LoadClient(start);
    } else if (order === 'take') process.send?.(client?.take());
    else {
      await client?.stop();
      process.send?.(client?.take());
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve();
