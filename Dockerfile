# The gateway as an image: no shell tricks, no root, nothing written at run time.
#
#   docker build -t sluice .
#   docker run --read-only -p 8080:8080 -v "$PWD/sluice.yaml:/etc/sluice/sluice.yaml:ro" sluice
#
# Without uWebSockets.js: the engine is wire. Who wants the engine uws builds with
# --build-arg TREE_OPTIONS= and keeps Debian trixie: its binaries for Node 22 and later want glibc
# 2.38.
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS build
ARG TREE_OPTIONS=--without-uws
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && node dist/src/build/production-tree.js /app ${TREE_OPTIONS}

FROM ${NODE_IMAGE}
COPY --from=build /app /app
USER 1000:1000
WORKDIR /etc/sluice
# Inside of a container the loopback address is reached by nobody.
ENV NODE_ENV=production GATEWAY_HOST=0.0.0.0 GATEWAY_CONFIG=/etc/sluice/sluice.yaml GATEWAY_ADMIN_PORT=9901
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.GATEWAY_ADMIN_PORT}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/main.js"]
CMD ["run"]
