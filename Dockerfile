# The program alone, as a user without rights. Temporal runs elsewhere: see docker-compose.yml.
FROM golang:1.26.5-bookworm AS build
WORKDIR /source
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /dualwrite ./cmd/dualwrite

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /dualwrite /usr/local/bin/dualwrite
# Holds dualwrite.yaml, which the program reads where it runs.
WORKDIR /link
USER nonroot:nonroot
ENTRYPOINT ["/usr/local/bin/dualwrite"]
CMD ["worker"]
