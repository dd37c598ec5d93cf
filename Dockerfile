# Build: the whole program becomes one file.
FROM oven/bun:1.4.5 AS build
WORKDIR /build
COPY package.json bun.lock bunfig.toml tsconfig.json ./
RUN bun install --frozen-lockfile --production
COPY src ./src
RUN bun run build
# The data directory, empty: the image below has no shell to make it with.
RUN mkdir data

# Run: glibc, certificates and that file; no shell, no package manager, no root.
FROM gcr.io/distroless/base-nossl-debian12:nonroot
COPY --from=build /build/dist/mcp-broker /usr/local/bin/mcp-broker

# For MCP_BROKER_DATA_DIR=/data. A volume that is made here belongs to nonroot (65532), as which the broker runs;
# a directory of the host that is mounted here has to.
COPY --from=build --chown=65532:65532 /build/data /data
VOLUME /data

# Reachable from outside the container, which needs a key: without MCP_BROKER_ADMIN_KEY it refuses to start, and says so.
ENV MCP_BROKER_HOST=0.0.0.0
EXPOSE 8123

# Follows MCP_BROKER_PORT by itself, and needs no key.
HEALTHCHECK --interval=30s --timeout=10s --start-period=5s --retries=3 \
  CMD ["/usr/local/bin/mcp-broker", "status"]

# No shell in between: SIGTERM reaches the broker, which tells its connections before it ends.
USER nonroot:nonroot
ENTRYPOINT ["/usr/local/bin/mcp-broker"]
CMD ["serve"]
