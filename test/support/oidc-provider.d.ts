/** As much of the package oidc-provider as tests use; it brings no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface ProviderContext {
    readonly oidc: {
      readonly client: { readonly clientId: string };
      readonly session: { readonly accountId: string };
      readonly params: Readonly<Record<string, string | undefined>>;
      readonly provider: Provider;
    };
  }

  class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>);
    on(event: 'grant.success', listener: (context: ProviderContext) => void): this;
    on(event: string, listener: (context: ProviderContext, error: unknown) => void): this;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    readonly Grant: new (of: {
      readonly accountId: string;
      readonly clientId: string;
    }) => {
      addOIDCScope(scope: string): void;
      save(): Promise<string>;
    };
  }

  // biome-ignore lint/style/noDefaultExport: the package has it.
  export { Provider as default };
}
