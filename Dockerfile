# docker build --build-arg VERSION="$(git describe --tags --always)" --tag nearside .

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/nearside .
RUN mkdir -p /out/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && echo 'nearside:x:65532:65532:nearside:/:/sbin/nologin' >/out/etc/passwd \
 && echo 'nearside:x:65532:' >/out/etc/group

# The binary, the certificates of the public authorities, and a user: no shell, no packages.
FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="nearside" \
      org.opencontainers.image.description="A near cache for HTTP APIs, run as a sidecar" \
      org.opencontainers.image.source="https://github.com/nearside-cache/nearside" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /out/ /
USER 65532:65532

# LISTEN_ADDR and ADMIN_ADDR keep their defaults, which are on the loopback. That is right where the app shares the
# container's network (a pod, or `network_mode: "service:app"`): nobody else can then reach the cache. Only where the
# app has a network of its own set LISTEN_ADDR=0.0.0.0:8080, and leave ADMIN_ADDR: the health check asks from within.
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/nearside", "-health"]
ENTRYPOINT ["/nearside"]
