/**
 * The dashboard's page.
 *
 * Thread: any (pure). A script fills the page with figures. Without JavaScript the page says where
 * the figures are.
 */
export const DASHBOARD_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sluice</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/dashboard/style.css">
<script type="module" src="/dashboard/main.js"></script>
</head>
<body>
<header>
<h1>Sluice</h1>
<p id="about"></p>
<p id="state" role="status">loading</p>
</header>
<main>
<noscript>
<p>This page needs JavaScript; the figures are at
<a href="/stats">/stats</a>.</p>
</noscript>
<section id="tiles" class="tiles" aria-label="Now"></section>
<div class="charts">
<section class="card"><h2>Traffic <small>requests a second, by status</small></h2>
<div id="traffic"></div></section>
<section class="card"><h2>Errors <small>replies a second</small></h2>
<div id="errors"></div></section>
<section class="card"><h2>Latency <small>milliseconds</small></h2><div id="latency"></div></section>
</div>
<section class="card"><h2>Routes</h2><div id="routes"></div></section>
<section class="card"><h2>Targets</h2><div id="targets"></div></section>
<section id="split-card" class="card" hidden><h2>Splits <small>new sides of routes</small></h2>
<div id="splits"></div></section>
<div class="pair">
<section class="card"><h2>Limits</h2><div id="limits"></div></section>
<section class="card"><h2>Keys that have used the most</h2><div id="keys"></div></section>
</div>
<div class="pair">
<section class="card"><h2>Cache <small>replies from memory</small></h2><div id="cache"></div>
</section>
<section class="card"><h2>Compression</h2><div id="compression"></div></section>
</div>
<div class="pair">
<section class="card"><h2>Lanes</h2><div id="lanes"></div></section>
<section class="card"><h2>Threads</h2><div id="threads"></div></section>
</div>
<section class="card"><h2>Recent refusals <small>a sample, newest first</small></h2>
<div id="refusals"></div></section>
</main>
</body>
</html>
`;
