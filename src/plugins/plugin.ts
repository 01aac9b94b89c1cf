/**
 * What a plugin is: the types that its author writes against, and `definePlugin`.
 *
 * Thread: any (pure). Types, and one function that returns what it gets. They are exported from
 * the package: a change here is a change for plugins of others.
 */

/** A plugin, as the default export of its module. `O`: its options. */
export interface Plugin<O = Readonly<Record<string, unknown>>> {
  /** What messages call it where the configuration gives it no other name. */
  readonly name: string;
  /**
   * JSON Schema (draft 2020-12) of its options, by which `sluice validate` and every reload check
   * them. Defaults of the schema are filled in. Default: no options are allowed.
   */
  readonly options?: Readonly<Record<string, unknown>>;
  /**
   * Names of its own counters: `sluice_plugin_events_total{plugin,event}`. At most 16, of letters,
   * digits and `_`. Default: none.
   */
  readonly counters?: readonly string[];
  /**
   * Called once in each worker before it serves, and again after a reload that changes code or
   * options; there may be two instances for as long as older requests run. May be async, for up to
   * 10 s. An error refuses the configuration.
   */
  setup(options: O, context: PluginContext): PluginHooks | Promise<PluginHooks>;
}

/** Says what a plugin is, and lets TypeScript check it. Returns its argument. */
export function definePlugin<O = Readonly<Record<string, unknown>>>(plugin: Plugin<O>): Plugin<O> {
  return plugin;
}

/**
 * What a plugin does, each at its moment. All hooks are optional, and all may be async. What a
 * hook does is measured: see `budget` in docs/plugins.md. One that throws changes nothing.
 */
export interface PluginHooks {
  /**
   * The request is admitted, and the filters of its route have had it; it goes to its target next.
   * A reply that is returned goes to the client in place of the target's.
   */
  onRequest?(request: PluginRequest): MayReply | Promise<MayReply>;
  /**
   * Finds out who calls, behind the authenticators of the route: the first that accepts decides.
   * Nothing: there are no credentials of its kind. A call that fails refuses the request with 503,
   * whatever `onFailure` says.
   */
  authenticate?(request: PluginRequestView): MayKnow | Promise<MayKnow>;
  /**
   * Chooses among the `upstreams` of a route, by name; any other name, or nothing, leaves the
   * choice to `split`. It cannot be waited for: a promise is a failure.
   */
  selectTarget?(request: PluginRequestView, upstreams: readonly string[]): MayChoose;
  /**
   * The whole body of a request that has one, without its coding, up to `bodyBytes`. What is
   * returned goes to the target in its place; a reply goes to the client.
   */
  onRequestBody?(body: Buffer, request: PluginRequest): MayBody | Promise<MayBody>;
  /**
   * The whole body of a target's reply, up to `bodyBytes`, as the target has coded it. What is
   * returned goes to the client in its place.
   */
  onReplyBody?(body: Buffer, reply: PluginReplyWithRequest): MayChange | Promise<MayChange>;
  /**
   * The head of a reply is there: of a target's, or of one of the gateway's own. It is not called
   * for interim replies and WebSockets.
   */
  onReply?(reply: PluginReplyHead, request: PluginRequestView): void | Promise<void>;
  /** The exchange is over, whatever has become of it. */
  onFinish?(result: PluginResult, request: PluginRequestView): void | Promise<void>;
  /** The instance is not used any more: ends timers and connections of its own. */
  onUnload?(): void | Promise<void>;
}

/** A reply that goes out in place of the target's, or nothing. */
export type MayReply = PluginReply | undefined | void;

/** Who calls, or that nobody is known. */
export type MayKnow = PluginCaller | undefined | void;

/** The name of an upstream, or nothing. */
export type MayChoose = string | undefined | void;

/** Another body, a reply, or nothing. */
export type MayBody = string | Uint8Array | PluginReply | undefined | void;

/** Another body, or nothing. */
export type MayChange = string | Uint8Array | undefined | void;

/** What `authenticate` has found out: one of `consumer`, `refuse`, `deny` and `reply`. */
export interface PluginCaller {
  /** Who calls: 1 to 256 characters. */
  readonly consumer?: string;
  /** What is known of them, for `authorize`, templates and other plugins. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** What they may do, for `authorize`. */
  readonly scopes?: readonly string[];
  /** The credentials are not valid, for this reason: 401, if no other authenticator accepts. */
  readonly refuse?: string;
  /** The caller is known and may not do this: 403. */
  readonly deny?: string;
  /** Goes to the client. */
  readonly reply?: PluginReply;
}

/** What a hook sees of a request. */
export interface PluginRequestView {
  readonly method: string;
  /** Normalised, without the query. */
  readonly path: string;
  /** As it came, with its question mark, or ''. */
  readonly query: string;
  readonly host: string;
  /** `http` or `https`. */
  readonly scheme: string;
  /** Behind trusted proxies; '' when it is not known. */
  readonly clientIp: string;
  readonly requestId: string;
  /** Name of the route. */
  readonly route: string;
  /** Who calls, as an authenticator found out; '' when nobody asked, or it is nobody known. */
  readonly consumer: string;
  /** What was verified about the caller; null: nothing. */
  readonly claims: Readonly<Record<string, unknown>> | null;
  /** Parameters of the path, decoded; what a star took is under `*`. */
  readonly params: Readonly<Record<string, string | undefined>>;
  /** The first value of a field, as plugins have left it, or ''. `name` in any case. */
  header(name: string): string;
  /** All fields as they came from the client: names in lower case, and values. */
  headers(): readonly (readonly [name: string, value: string])[];
  /** Value of a cookie, or ''. */
  cookie(name: string): string;
  /** For what hooks of one request want to tell each other; shared by the plugins of the route. */
  readonly state: Map<string, unknown>;
  /**
   * Puts a field into the access record of the request, under `plugins`. At most 16 fields a
   * request, names of 64 and values of 256 characters; what is more is cut.
   */
  log(name: string, value: string | number | boolean): void;
}

/** A request whose fields may be changed. Changes count once the hook has ended well. */
export interface PluginRequest extends PluginRequestView {
  /**
   * Sets a field that the target gets, in place of any that the client sent. Throws for fields of
   * one connection, for those that frame the message, and for those that the gateway itself writes
   * (`Host`, `X-Forwarded-For` and the like), and for a value that no field can have.
   */
  setHeader(name: string, value: string): void;
  /** Takes a field away. Throws as `setHeader` does. */
  removeHeader(name: string): void;
  /** Path and query that the target would get now. */
  readonly target: string;
}

/** A reply of a plugin. */
export interface PluginReply {
  /** 200 to 599. */
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as UTF-8. Default: no body. */
  readonly body?: string;
}

/** The head of a reply while plugins change it. Changes count once the hook has ended well. */
export interface PluginReplyHead {
  /** 200 to 599. */
  status: number;
  /** The gateway made the reply. */
  readonly isLocal: boolean;
  /** All values of a field as one list, or ''. `name` in any case. */
  header(name: string): string;
  /** Sets a field in place of all of that name. Throws as that of a request does. */
  setHeader(name: string, value: string): void;
  /** Adds a field beside others of that name, as `Set-Cookie` needs it. Throws likewise. */
  appendHeader(name: string, value: string): void;
  /** Throws likewise. */
  removeHeader(name: string): void;
}

/** The same, and the request that it answers. */
export interface PluginReplyWithRequest extends PluginReplyHead {
  readonly request: PluginRequestView;
}

/** How an exchange has ended. */
export interface PluginResult {
  /** Of the reply; 499: the client left before one began. */
  readonly status: number;
  /** Milliseconds from the head of the request to the end of the reply. */
  readonly durationMs: number;
  /** Bytes of the reply's body that were sent. */
  readonly bytes: number;
  /** Code of the problem when the gateway itself refused, else ''. */
  readonly code: string;
}

/** What a plugin has of the gateway. */
export interface PluginContext {
  /** The name that the configuration gives it. */
  readonly name: string;
  /** Adds to a counter that the plugin has declared. Throws for any other. */
  count(counter: string, by?: number): void;
  /** Requests of the plugin itself. */
  readonly fetch: PluginFetch;
  /** Texts that all workers share: see {@link PluginStore}. */
  readonly store: PluginStore;
  /** Writes a line to the log of the gateway, with the name of the plugin. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
}

/**
 * Sends a request and collects its reply. At most 64 at a time, of one plugin in one worker; more
 * are rejected. Redirects are not followed. Rejects when nobody answers in time, and when the reply
 * is too long.
 */
export type PluginFetch = (
  url: string | URL,
  options?: PluginFetchOptions,
) => Promise<PluginFetchReply>;

export interface PluginFetchOptions {
  /** Default: GET. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Milliseconds from the beginning to the end of the reply, up to 60,000. Default: 5000. */
  readonly timeout?: number;
  /** Largest body of the reply, up to 64 MiB. Default: 1 MiB. */
  readonly bytes?: number;
}

export interface PluginFetchReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  text(): string;
  /** Throws where it is no JSON. */
  json(): unknown;
}

/**
 * Texts by key, one store for each name of a plugin, kept by the main thread for all workers of
 * this gateway: it outlives workers and reloads, not the gateway. At most 10,000 keys and 4 Mi
 * characters; keys of 256 and values of 65,536 characters. What would be more is rejected.
 * `ttl`: milliseconds until a value is gone; 0, the default: never.
 */
export interface PluginStore {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, options?: { readonly ttl?: number }): Promise<void>;
  /** Adds to an integer, which begins at 0, and returns it. `ttl` counts from the first time. */
  increment(key: string, by?: number, options?: { readonly ttl?: number }): Promise<number>;
  /** Sets the value if it is `expected`; undefined: if there is none. False: it is not. */
  compareAndSet(
    key: string,
    expected: string | undefined,
    value: string,
    options?: { readonly ttl?: number },
  ): Promise<boolean>;
  /** False: there was none. */
  delete(key: string): Promise<boolean>;
}
