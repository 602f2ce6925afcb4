# The chat as an image that holds one file: docker build -t web-chat .
FROM node:24-bookworm-slim AS build
# `strip` takes the debug symbols out of the executable.
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --include=dev --include=optional --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run --silent executable && mv dist/web-chat-linux-* /web-chat

FROM debian:bookworm-slim
COPY --from=build /web-chat /usr/local/bin/web-chat
# Anybody's user id: it owns the data and nothing else.
RUN install -d -o 10001 -g 10001 -m 0700 /data
USER 10001:10001
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 5002 6002 7002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["web-chat", "health"]
ENTRYPOINT ["web-chat"]
