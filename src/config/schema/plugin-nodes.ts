/**
 * The schema of plugins: which there are, and which of them a route uses.
 *
 * Thread: any (pure). A part of config-schema.ts. What options a plugin has is said by itself.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  JSON_VALUE,
  listNode,
  mapNode,
  objectNode,
  refined,
  sizeNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { REFERENCE_NAME_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const { plugins: defaults } = DEFAULTS;

const PACKAGE_TEXT = textShape(
  '^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]{0,213}$',
  'the name of a package',
);

const BUDGET_NODE = objectNode('PluginBudgetConfig', 'What one call of the plugin may take.', {
  cpu: durationNode(
    'Work of its own, up to its first wait. The call ends all the same, and is a strike.',
    ['1ms', '1s'],
    { default: defaults.budget.cpu },
  ),
  wait: durationNode(
    'From its beginning to its end. Then it has failed: what it says later counts for nothing.',
    ['1ms', '60s'],
    { default: defaults.budget.wait },
  ),
});

const PLUGIN_NODE = objectNode(
  'PluginConfig',
  'Code of your own in the workers: see docs/plugins.md. It is trusted as the gateway itself is.',
  {
    name: stringNode(
      'Name by which routes refer to it; in logs and counters.',
      REFERENCE_NAME_TEXT,
    ),
    file: stringNode(
      'File of its module (.js, .mjs; .ts and .mts where Node.js reads them), relative to this ' +
        'one, or a URL with `file:`. What it imports by relative names belongs to it.',
      { 'x-absent': 'see `package`', minLength: 1, maxLength: 4096 },
    ),
    package: stringNode(
      'Package that is the plugin, in place of `file`; it is looked for from the working ' +
        'directory upwards.',
      { 'x-absent': 'see `file`', ...PACKAGE_TEXT },
    ),
    options: mapNode('What the plugin is given, as its own schema allows.', JSON_VALUE, {
      default: {},
      maxProperties: 256,
      writeOnly: true,
    }),
    everyRoute: booleanNode(
      'Whether routes without `plugins` of their own use it.',
      defaults.everyRoute,
    ),
    onFailure: stringNode(
      'What becomes of a request when the plugin fails, and of all once it is put out: `refuse` ' +
        'answers with 500 or 503, `skip` goes on as if it were not there. Who fails to find out ' +
        'who calls is refused in any case.',
      { default: defaults.onFailure, enum: ['refuse', 'skip'] },
    ),
    budget: BUDGET_NODE,
    strikes: integerNode(
      'Failures within a minute after which the plugin is put out, until a reload brings other ' +
        'code or options, or `POST /plugins/NAME/restore`. One that makes a worker hang is put ' +
        'out at once.',
      [1, 1000],
      { default: defaults.strikes },
    ),
    bodyBytes: sizeNode(
      'Largest body that its hooks for bodies are given; it is collected whole. A larger one ' +
        'counts as a failure of the call.',
      ['1KiB', '64MiB'],
      { default: defaults.bodyBytes },
    ),
  },
  'name',
);

/** `plugins` of the whole gateway. */
export const PLUGINS_NODE = listNode(
  'Plugins, in the order in which requests pass those of `everyRoute`; replies pass them from ' +
    'the last to the first.',
  PLUGIN_NODE,
  { default: [], maxItems: 32 },
);

/** `plugins` of a route. */
export const ROUTE_PLUGINS_NODE = listNode(
  'Names of plugins, in the order in which requests pass them; replies pass them from the last ' +
    'to the first. An empty list: none.',
  refined(textNode(REFERENCE_NAME_TEXT), {}),
  { 'x-absent': 'those with `everyRoute`', maxItems: 16, uniqueItems: true },
);
