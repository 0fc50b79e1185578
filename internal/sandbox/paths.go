package sandbox

import (
	"os"
	"path/filepath"
	"slices"
)

// readable are the files and directories that fetching feeds may need once a
// process is restricted, over the usual distributions.
//
// /etc/ssl and /etc/pki are not here as a whole: they hold private keys too,
// which a worker that runs as root could read.
var readable = []string{
	// Name lookups. Programs that manage resolv.conf replace the file that it
	// points to, so where these have a directory for it the whole is open.
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/nsswitch.conf",
	"/run/systemd/resolve",
	"/run/resolvconf",

	// Certificates: where crypto/x509 looks, and what links there point to.
	// The bundles stand beside their directories because some systems make
	// them links into a store elsewhere, and a rule follows the link.
	"/etc/ssl/certs",
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
	"/etc/pki/tls/certs",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted",
	"/etc/ca-certificates/extracted",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	"/usr/share/pki",
	"/var/lib/ca-certificates",

	// Zone data: where package time looks.
	"/etc/localtime",
	"/etc/zoneinfo",
	"/usr/share/zoneinfo",
}

// readPaths returns the files and directories that name lookups,
// certificates and zone data may need, those that SSL_CERT_FILE, SSL_CERT_DIR
// and ZONEINFO name included. They need not exist.
func readPaths() []string {
	paths := slices.Clone(readable)
	for _, name := range []string{"SSL_CERT_FILE", "ZONEINFO"} {
		if path := os.Getenv(name); path != "" {
			paths = append(paths, path)
		}
	}
	return append(paths, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
}
