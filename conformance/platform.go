package main

import "runtime"

// certFileHonoured says whether crypto/x509 reads SSL_CERT_FILE here, which is
// how the go command of a script learns to trust the run's certificate.
const certFileHonoured = runtime.GOOS != "windows" && runtime.GOOS != "darwin" && runtime.GOOS != "ios" &&
	runtime.GOOS != "plan9"
