/**
 * A plugin in one worker: its code, set up, and what its hooks are.
 *
 * Thread: worker.
 */
import type { CompiledPlugin } from '../../config/compiled-plugin.js';
import type { Authenticator } from '../../filters/authentication/authenticator.js';
import type { StageSource } from '../../filters/reply-stage.js';
import type { PluginHooks } from '../../plugins/plugin.js';
import type { RequestBodyPlan } from './route-filters.js';

export interface PluginInstance {
  /** With the row that its figures have. */
  readonly plugin: CompiledPlugin;
  /** Empty where it could not be set up: it is out then. */
  readonly hooks: PluginHooks;
}

/** The plugins of a route, by what they do. */
export interface RoutePlugins {
  /** In the order in which requests pass them. */
  readonly all: readonly PluginInstance[];
  /** Those that see replies, in the order in which these pass them. */
  readonly ofReplies: readonly PluginInstance[];
  /** Those that see whole bodies of replies, likewise. */
  readonly ofReplyBodies: readonly PluginInstance[];
  /** Those that find out who calls. */
  readonly ofCallers: readonly PluginInstance[];
  /** Those that choose an upstream. */
  readonly ofChoices: readonly PluginInstance[];
  /** Those that see whole bodies of requests. */
  readonly ofBodies: readonly PluginInstance[];
  /** Those that are told of the end. */
  readonly ofEnds: readonly PluginInstance[];
}

/** What makes parts of a route of its plugins. */
export interface PluginPartsMaker {
  stages(plugins: RoutePlugins): readonly StageSource[];
  authenticators(plugins: RoutePlugins): readonly Authenticator[];
}

/**
 * How bodies of requests are collected; null: they are not. `plan`: what the filters of the route
 * want.
 */
export function planWithPlugins(
  plan: RequestBodyPlan | null,
  plugins: RoutePlugins | null,
): RequestBodyPlan | null {
  if (plugins === null || plugins.ofBodies.length === 0) return plan;
  const maxBytes = Math.min(...plugins.ofBodies.map(({ plugin }) => plugin.bodyBytes));
  // They are called behind the filters: here they only have need of every body.
  const part = { maxBytes, limits: null, step: () => null, isNeeded: () => true };
  const limits = { maxDepth: 1, maxMembers: 1 };
  if (plan === null) return { limits, parts: [part], takesEmpty: false };
  return { ...plan, parts: [...plan.parts, part] };
}

/** `places`: in the list of plugins of the configuration. */
export function pluginsOf(
  places: readonly number[] | undefined,
  instances: readonly PluginInstance[],
): RoutePlugins | null {
  const all = (places ?? []).flatMap((place) => instances[place] ?? []);
  if (all.length === 0) return null;
  return {
    all,
    ofReplies: all.filter(({ hooks }) => hooks.onReply !== undefined).reverse(),
    ofReplyBodies: all.filter(({ hooks }) => hooks.onReplyBody !== undefined).reverse(),
    ofCallers: all.filter(({ hooks }) => hooks.authenticate !== undefined),
    ofChoices: all.filter(({ hooks }) => hooks.selectTarget !== undefined),
    ofBodies: all.filter(({ hooks }) => hooks.onRequestBody !== undefined),
    ofEnds: all.filter(({ hooks }) => hooks.onFinish !== undefined),
  };
}
