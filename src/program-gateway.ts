/**
 * A gateway that a program has made. It is put together when it starts: which engines it has is not
 * known before.
 *
 * Thread: supervisor (on the main thread).
 */
import type { ServedConfig } from './config/shared/shared-config.js';
import type { LoadedConfig } from './config/source/load-file.js';
import { type Gateway, type GatewayOptions, makeGateway } from './gateway.js';
import type { ReloadTrigger } from './observability/gateway-status.js';
import type { GivenPlugins, ProgramConfig } from './supervisor/program-plugins/given-plugins.js';
import type { ReloadResult } from './supervisor/reloader.js';
import type { Supervisor } from './supervisor/supervisor.js';

export class ProgramGateway {
  private made: Promise<Gateway> | null = null;
  private gateway: Gateway | null = null;
  private isStopped = false;

  constructor(
    private readonly first: LoadedConfig,
    private readonly options: GatewayOptions,
    /** Plugins that the program has given as objects. */
    private readonly given: GivenPlugins,
  ) {}

  /** Resolves when requests are accepted. Rejects when an address is in use or a thread fails. */
  async start(): Promise<void> {
    if (this.made !== null || this.isStopped) throw new Error('a gateway starts once');
    this.made = makeGateway(this.first, this.options, { given: this.given });
    const gateway = await this.made;
    if (this.isStopped) throw new Error('the gateway was stopped before it had started');
    this.gateway = gateway;
    await gateway.start();
  }

  /**
   * Makes /readyz report that the gateway is not ready, goes on for `shutdown.delay`, then takes no
   * more connections, lets requests in flight finish for up to `shutdown.grace`, and ends. All this
   * time replies close their connections. Resolves with true when no request was cut off.
   */
  async stop(): Promise<boolean> {
    this.isStopped = true;
    if (this.made === null) return true;
    // Whoever started it has been told why it could not be made.
    const gateway = await this.made.catch(() => null);
    return gateway === null || (await gateway.stop());
  }

  /** The configuration in force. From here on: of a gateway that was started. */
  get config(): ServedConfig {
    return this.open.config;
  }

  /**
   * The address of the first listener; of a Unix socket its path, and port 0. Known once the
   * gateway has started.
   */
  get address(): { readonly host: string; readonly port: number } {
    return this.open.address;
  }

  get adminAddress(): { readonly host: string; readonly port: number } {
    return this.open.adminAddress;
  }

  /** The threads; for tests, and for programs that look at them. */
  get supervisor(): Supervisor {
    return this.open.supervisor;
  }

  /**
   * Reads the configuration's source again and brings the configuration into force. Requests in
   * flight go on under the configuration that they began under. Never rejects: a configuration with
   * mistakes changes nothing, and the result names the mistakes.
   */
  async reload(trigger: ReloadTrigger = 'program'): Promise<ReloadResult> {
    return this.gateway === null ? NOT_STARTED : this.gateway.reload(trigger);
  }

  /** Brings this configuration into force, like {@link reload}. */
  async apply(config: ProgramConfig): Promise<ReloadResult> {
    return this.gateway === null ? NOT_STARTED : this.gateway.apply(this.given.take(config));
  }

  /** Brings the configuration before this one into force again. */
  async rollback(): Promise<ReloadResult> {
    return this.gateway === null ? NOT_STARTED : this.gateway.rollback();
  }

  private get open(): Gateway {
    if (this.gateway === null) throw new Error('the gateway has not been started');
    return this.gateway;
  }
}

const NOT_STARTED: ReloadResult = {
  outcome: 'refused',
  reasons: ['the gateway has not been started'],
};
