# syntax=docker/dockerfile:1
# Runcast as an image: `docker build -t runcast .` in a checkout. No secret is in it: settings come as environment variables.
ARG NODE=node:24-bookworm-slim

FROM ${NODE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build

FROM ${NODE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund
# The optional packages of stores and channels, at the versions that the tests ran with. npm leaves out, named or not, what is
# meant for development or for others to bring, so those lists go first.
RUN optional=$(node -p "const { packages } = JSON.parse(require('fs').readFileSync('package-lock.json')); ['pg', 'redis', 'nodemailer', 'web-push'].map((name) => name + '@' + packages['node_modules/' + name].version).join(' ')") \
  && npm pkg delete devDependencies peerDependencies peerDependenciesMeta \
  && npm install --no-save --no-package-lock --no-audit --no-fund $optional

FROM ${NODE}
LABEL org.opencontainers.image.title="Runcast" \
  org.opencontainers.image.description="Carries the events of AI-agent runs to the people who wait for them" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
  RUNCAST_HOST=0.0.0.0 \
  RUNCAST_PORT=7420
COPY --from=dependencies /app/node_modules /app/node_modules
COPY --from=build /build/package.json /app/package.json
COPY --from=build /build/dist/protocol /app/dist/protocol
COPY --from=build /build/dist/machines /app/dist/machines
COPY --from=build /build/dist/src /app/dist/src
COPY --from=build /build/dist/console /app/dist/console
# What a node keeps for itself: an audit log, and on one node the SQLite file with its spool. All else may be read-only.
RUN mkdir /data && chown 1000:1000 /data
WORKDIR /data
VOLUME ["/data"]
# The image's own user, by number, so that an orchestrator can see that it is not root.
USER 1000:1000
EXPOSE 7420
# Drains within ten seconds: let the orchestrator wait for longer before it kills.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.RUNCAST_PORT + '/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/cli/main.js"]
CMD ["serve"]
