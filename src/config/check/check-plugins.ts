/**
 * Checks plugins: that each can be loaded and takes its options, and that routes name known ones.
 *
 * Thread: loader. Runs on the sound part of a configuration.
 */
import { pointerOf } from '../../base/json-pointer.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import type { GatewayConfig, PluginConfig } from '../gateway-config.js';
import { inspectWritten, type WrittenPlugin } from '../references/plugin-orders.js';
import { suggestName } from './nearest-name.js';

type SoundPlugin = SoundPart<PluginConfig>;

export function checkPlugins(
  { plugins = [], routes = [] }: SoundPart<GatewayConfig>,
  findings: Findings,
): void {
  checkNames(plugins, findings);
  const sound = plugins.flatMap((plugin, at) =>
    plugin !== undefined && hasOnePlace(plugin, at, findings) ? [{ plugin, at }] : [],
  );
  const found = inspectWritten(sound.map(({ plugin }) => plugin as WrittenPlugin));
  for (const [place, { plugin, at }] of sound.entries()) {
    const inspection = found[place];
    if (inspection === undefined || inspection.isValid) continue;
    const options = pointerOf('plugins', at, 'options');
    const own = pointerOf('plugins', at, plugin.file === undefined ? 'package' : 'file');
    for (const { pointer, message } of inspection.problems) {
      if (pointer === undefined) findings.addValue(own, message);
      else if (plugin.options === undefined) findings.addValue(pointerOf('plugins', at), message);
      else findings.addValue(options + pointer, message);
    }
  }
  const names = plugins.flatMap((plugin) => plugin?.name ?? []);
  for (const [index, route] of routes.entries()) {
    for (const [position, name] of (route?.plugins ?? []).entries()) {
      if (name === undefined || names.includes(name)) continue;
      const pointer = pointerOf('routes', index, 'plugins', position);
      const suggestion = suggestName(name, names, 'plugin');
      findings.addValue(pointer, `unknown plugin ${findings.quote(pointer, name)}${suggestion}`);
    }
  }
}

function checkNames(plugins: readonly (SoundPlugin | undefined)[], findings: Findings): void {
  const placeByName = new Map<string, number>();
  for (const [at, plugin] of plugins.entries()) {
    if (plugin?.name === undefined) continue;
    const first = placeByName.get(plugin.name);
    if (first === undefined) placeByName.set(plugin.name, at);
    else findings.addValue(pointerOf('plugins', at, 'name'), `is taken by plugins[${first}]`);
  }
}

/** A plugin has a file or is a package. */
function hasOnePlace(plugin: SoundPlugin, at: number, findings: Findings): boolean {
  const pointer = pointerOf('plugins', at);
  if (findings.hasUnder(pointer)) return false;
  const { file, package: name } = plugin;
  if (file !== undefined && name !== undefined) {
    findings.addKey(`${pointer}/package`, 'stands in place of file: one of the two');
  } else if (file === undefined && name === undefined) {
    findings.addValue(pointer, 'needs file: ./NAME.js, or package: NAME');
  }
  return (file === undefined) !== (name === undefined);
}
