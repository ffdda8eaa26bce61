package doctor

// tlsCodes are about certificates and handshakes.
func tlsCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1701",
			Summary: "the certificate of {host} expired on {until}",
			Meaning: "What other servers say of the time agrees with this machine's clock, so it is the certificate.",
			Fixes:   []Remedy{{Owner, "renew the certificate of {host}", ""}},
			Or:      []Other{{Local, "compare this machine's clock with another: date -u"}},
		},
		{
			Code:    "MH1702",
			Summary: "the certificate of {host} is not valid before {since}",
			Meaning: "It was made for later, or this machine's clock is behind.",
			Fixes:   []Remedy{{Owner, "use a certificate that is valid now", ""}},
			Or:      []Other{{Local, "compare this machine's clock with another: date -u"}},
		},
		{
			Code:    "MH1703",
			Summary: "the certificate that came is not for {host}: it is for {names}",
			Meaning: "The server has no certificate for this name, or the address leads to another server.",
			Fixes:   []Remedy{{Owner, "use a certificate that has the name {host}", ""}, {You, "check the name in GOPROXY, and that {ip} is the right address", "getent ahosts {host}"}},
			Or:      []Other{{DNS, "if {ip} is not an address of {host}, DNS leads astray"}},
		},
		{
			Code:    "MH1704",
			Summary: "the certificate of {host} is signed by itself",
			Meaning: "Nobody vouches for it, so this machine cannot know that it is the right server.",
			Fixes:   []Remedy{{Owner, "use a certificate of an authority that clients know", ""}, {You, "or have this machine trust it, once you know that it is the right one", "export SSL_CERT_FILE=FILE"}},
		},
		{
			Code:    "MH1705",
			Summary: "this machine does not know the authority that signed the certificate of {host}: {issuer}",
			Meaning: "It is mostly a company's own authority, whose certificate is not installed here.",
			Fixes:   []Remedy{{You, "install the authority's certificate", "cp CA.crt /usr/local/share/ca-certificates/ && update-ca-certificates"}, {You, "or name it for one run", "SSL_CERT_FILE=CA.crt go mod download"}},
			Or:      []Other{{TLS, "openssl s_client -connect {addr} -servername {host} -showcerts shows whether an intermediate certificate is missing"}},
		},
		{
			Code:    "MH1706",
			Summary: "{host} does not send the intermediate certificate {issuer}",
			Meaning: "The server sent its own certificate alone. With the missing one, fetched from where the certificate names, it verifies. Browsers fetch or remember it, and Go does not.",
			Fixes:   []Remedy{{Owner, "have the server send the whole chain (fullchain.pem)", ""}, {You, "until then add the intermediate certificate to those that this machine trusts", ""}},
		},
		{
			Code:    "MH1707",
			Summary: "TLS is intercepted: {issuer} signs for {hosts}",
			Meaning: "A device on the way decrypts connections and signs certificates in the servers' names. This machine does not trust it.",
			Fixes:   []Remedy{{You, "install the certificate of the inspection's authority", "cp CA.crt /usr/local/share/ca-certificates/ && update-ca-certificates"}, {Network, "or except {host} from the inspection", ""}},
		},
		{
			Code:    "MH1708",
			Summary: "{host} speaks only TLS {status}, which Go no longer does",
			Meaning: "Go needs TLS 1.2 or later.",
			Fixes:   []Remedy{{Owner, "have the server speak TLS 1.2 or later", ""}},
		},
		{
			Code:    "MH1709",
			Summary: "{host} ended the TLS handshake with an alert: {why}",
			Meaning: "The server and Go have nothing in common that both accept, or the server is set up wrong.",
			Fixes:   []Remedy{{Owner, "see the server's TLS settings and log", ""}},
		},
		{
			Code:    "MH1710",
			Summary: "the server at {addr} has no certificate for the name {host}",
			Meaning: "It said so with an alert.",
			Fixes:   []Remedy{{Owner, "set up {host} on the server", ""}, {You, "check the name in GOPROXY", ""}},
		},
		{
			Code:    "MH1711",
			Summary: "{host} wants a client certificate",
			Meaning: "The go command has no way to send one.",
			Fixes:   []Remedy{{Owner, "accept clients without a certificate, with a password or token", ""}, {You, "or put a local proxy that has the certificate before it", ""}},
		},
		{
			Code:    "MH1712",
			Summary: "{host} took the TLS handshake and ended the connection without an answer",
			Meaning: "The server, or what stands before it, hung up after it had read the first message.",
			Fixes:   []Remedy{{Owner, "see the log of the server at {addr}", ""}},
			Or:      []Other{{Firewall, "a capture on the server shows whether the reset is its own"}},
		},
	}
}

// originCodes are about servers that are not there, or do not do their work.
func originCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1801",
			Summary: "nothing listens on {addr}: the host itself refuses the connection",
			Meaning: "The refusal is a TCP reset that came as far as the host's other answers did, and no firewall signed it. The program is not running, listens on another port, or on 127.0.0.1 only.",
			Fixes:   []Remedy{{Owner, "start the server, or have it listen on {addr} where it listens elsewhere", "ss -ltnp 'sport = :{port}'"}, {You, "check the port in GOPROXY", ""}},
			Or:      []Other{{Firewall, "on the server, ss -ltn 'sport = :{port}' shows whether the program listens: if it does, the server's own firewall refuses in its name"}},
		},
		{
			Code:    "MH1802",
			Summary: "{addr} refuses connections: nothing listens there, as far as can be seen from here",
			Meaning: "The refusal is a TCP reset, and no other answer of the host could be compared with it.",
			Fixes:   []Remedy{{Owner, "start the server, or have it listen on {addr} where it listens elsewhere", "ss -ltnp 'sport = :{port}'"}, {You, "check the port in GOPROXY", ""}},
			Or: []Other{
				{Firewall, "a firewall can refuse in the server's name: on the server, ss -ltn 'sport = :{port}' shows whether the program listens"},
				{PortMapping, "if {ip} forwards the port, see where to"},
			},
		},
		{
			Code:    "MH1803",
			Summary: "the host {ip} is gone: {box}, the router before it, gets no answer from it",
			Meaning: "The ICMP message \"host unreachable\" comes from the last router when nobody answers for the address.",
			Fixes:   []Remedy{{Owner, "see whether {ip} is up, and is still the address of {host}", ""}},
			Or:      []Other{{DNS, "if the server has moved, the address that DNS gives is out of date"}},
		},
		{
			Code:    "MH1901",
			Summary: "{host} answers {status}",
			Meaning: "The server was reached and failed.",
			Fixes:   []Remedy{{Owner, "see the log of the server at {url}", ""}, {You, "until then have another entry of GOPROXY stand in", "go env -w GOPROXY='{entry}|https://proxy.golang.org|direct'"}},
		},
		{
			Code:    "MH1902",
			Summary: "{host} takes the request and does not answer it",
			Meaning: "The connection works, and all that was sent was received: the program is stuck. The go command would wait without end.",
			Fixes:   []Remedy{{Owner, "see why the server at {url} does not answer", ""}, {You, "until then use another entry of GOPROXY", ""}},
			Or:      []Other{{Degraded, "a proxy that has to fetch a version first may take a minute for it: ask again then"}},
		},
		{
			Code:    "MH1903",
			Summary: "{host} limits requests (429)",
			Meaning: "The go command does not wait: it asks twice and fails.",
			Fixes:   []Remedy{{You, "ask less at once, or through a proxy that remembers", "GOFLAGS=-p=1 go mod download"}, {Owner, "raise the limit for this machine", ""}},
		},
		{
			Code:    "MH1904",
			Summary: "{addr} takes the TLS handshake and says nothing: the server is stuck",
			Meaning: "The server's kernel received the first message whole, and its program does not answer.",
			Fixes:   []Remedy{{Owner, "see why the server at {addr} does not answer; a restart may help", ""}},
		},
		{
			Code:    "MH1905",
			Summary: "{server} answers for {host} with {status}: the server behind it is down or too slow",
			Meaning: "It is the answer of a front (a load balancer, CDN or reverse proxy) that could not get one from the server behind it.",
			Fixes:   []Remedy{{Owner, "see the server behind {server}: whether it runs, and whether {server} reaches it", ""}, {You, "until then have another entry of GOPROXY stand in", "go env -w GOPROXY='{entry}|https://proxy.golang.org|direct'"}},
			Or:      []Other{{OriginSick, "if {server} is no front but the server itself, its own log says what it lacks"}},
		},
		{
			Code:    "MH1906",
			Summary: "{host} breaks requests off over HTTP/2",
			Meaning: "The server or a load balancer before it ends streams or connections instead of answering.",
			Fixes:   []Remedy{{Owner, "see the log of the load balancer; it may be restarting", ""}, {You, "until then do without HTTP/2", "GODEBUG=http2client=0 go mod download"}},
		},
		{
			Code:    "MH1907",
			Summary: "{host} redirects in a circle",
			Meaning: "Ten redirects led to no answer.",
			Fixes:   []Remedy{{Owner, "correct the redirects of {url}", "curl -sIL {url}"}},
		},
		{
			Code:    "MH1908",
			Summary: "{host} redirects to {value}, which is not https: the go command refuses that",
			Meaning: "From a secure address the go command does not follow to one that is not.",
			Fixes:   []Remedy{{Owner, "redirect to https", "curl -sI {url}"}},
		},
		{
			Code:    "MH1909",
			Summary: "{host} is slow: {bytes} in {took}",
			Meaning: "It works. Downloads take long.",
			Fixes:   []Remedy{{You, "put a module proxy that keeps what it has fetched nearer", "modhaven serve"}},
		},
		{
			Code:    "MH1910",
			Summary: "{host} ends connections without an answer to the request",
			Meaning: "It was connected to, took the request, and hung up.",
			Fixes:   []Remedy{{Owner, "see the log of the server at {url}", ""}},
		},
		{
			Code:    "MH1911",
			Summary: "the download of {what} from {host} stopped after {bytes}, and the connection is well",
			Meaning: "All that was sent was received, and the server does not go on. The go command would wait without end.",
			Fixes:   []Remedy{{Owner, "see why the server at {url} stops", ""}, {You, "until then use another entry of GOPROXY", ""}},
			Or:      []Other{{Firewall, "a capture on the server shows whether it goes on sending"}},
		},
		{
			Code:    "MH1912",
			Summary: "{host} ended the download of {what} early, after {bytes}",
			Meaning: "It had announced more than came.",
			Fixes:   []Remedy{{Owner, "see the log of the server at {url}; a proxy before it may cut long answers", ""}},
			Or:      []Other{{Firewall, "repeat it: if it always ends after the same number of bytes, a device on the way cuts it"}},
		},
	}
}

// contentCodes are about answers that are not the file.
func contentCodes() []Entry {
	return []Entry{
		{
			Code:    "MH2001",
			Summary: "a login page answers instead of {host}: this network wants you to log in first",
			Meaning: "A page came for a request of the protocol, by a redirect to another host. The go command reports it as a checksum mismatch or as no valid zip.",
			Fixes:   []Remedy{{You, "open a page in a browser and log in to the network", "http://{portal}"}},
		},
		{
			Code:    "MH2002",
			Summary: "{host} answers with a web page where {what} was asked for",
			Meaning: "A module proxy never answers so. It is a login page of a network or company, or the address is that of a web site. The go command reports it as a checksum mismatch or as no valid zip.",
			Fixes:   []Remedy{{You, "open {url} in a browser: log in if it asks for that, else correct the address in GOPROXY", ""}},
			Or:      []Other{{Config, "if the page is of the web site itself, GOPROXY names the wrong address or lacks a path"}},
		},
		{
			Code:    "MH2003",
			Summary: "the zip of {module} from {host} is not whole, though it came to its end",
			Meaning: "It has no central directory at its end: it was cut off before the server stored it.",
			Fixes:   []Remedy{{Owner, "remove the broken file from the proxy, so that it is fetched again", ""}, {You, "until then use another entry of GOPROXY", ""}},
		},
		{
			Code:    "MH2004",
			Summary: "what {host} sent as {what} is not that: {why}",
			Meaning: "The answer does not have the form that the protocol gives it.",
			Fixes:   []Remedy{{Owner, "see why the proxy at {url} answers so", ""}, {You, "until then use another entry of GOPROXY", ""}},
		},
		{
			Code:    "MH2005",
			Summary: "the zip of {module} from {host} is damaged: {why}",
			Meaning: "What was unpacked does not agree with the sums in the zip itself.",
			Fixes:   []Remedy{{Owner, "remove the broken file from the proxy, so that it is fetched again", ""}, {You, "until then use another entry of GOPROXY", ""}},
		},
		{
			Code:    "MH2006",
			Summary: "{host} sent an empty answer where {what} was asked for",
			Meaning: "The status was 200 and no byte came.",
			Fixes:   []Remedy{{Owner, "see why the proxy at {url} answers so", ""}, {You, "until then use another entry of GOPROXY", ""}},
		},
		{
			Code:    "MH2007",
			Summary: "{host} says that its answer is compressed, and it cannot be unpacked: {why}",
			Meaning: "A device on the way, or the server, sets Content-Encoding wrongly.",
			Fixes:   []Remedy{{Owner, "see why {url} is compressed wrongly", ""}},
		},
	}
}

// checksumCodes are about what proves files.
func checksumCodes() []Entry {
	return []Entry{
		{
			Code:    "MH2101",
			Summary: "the checksum database {db} cannot be reached, and no entry of GOPROXY answers for it",
			Meaning: "Modules come, and the go command cannot verify what go.sum does not list yet, so it fails.",
			Fixes:   []Remedy{{You, "use a module proxy that answers for the database, or in mainland China", "go env -w GOSUMDB=sum.golang.google.cn"}, {Network, "let connections to {db} port 443 through", ""}},
		},
		{
			Code:    "MH2102",
			Summary: "{entry} fails when it is asked for the checksum database ({status})",
			Meaning: "Only 404 and 410 send the go command on to the database itself; any other failure ends the build.",
			Fixes:   []Remedy{{Owner, "have {entry} answer 404 below /sumdb/, or the database's records", ""}, {You, "or separate the entries of GOPROXY with | and end it in direct", "go env -w GOPROXY='{better}'"}},
		},
		{
			Code:    "MH2103",
			Summary: "what {entry} says for the checksum database {db} is not signed with its key",
			Meaning: "The go command refuses it. Something changes the answers, or GOSUMDB has the key of another database.",
			Fixes:   []Remedy{{You, "compare the key in GOSUMDB with what the database's owner gives out", "go env GOSUMDB"}, {Owner, "see what answers at {url}", ""}},
		},
		{
			Code:    "MH2104",
			Summary: "{host} sends another {what} of {module} than the checksum database knows",
			Meaning: "The file is not what everybody else got: it was changed on the proxy or on the way. Do not use it, and do not switch the verification off.",
			Fixes:   []Remedy{{Owner, "remove {module} from the proxy and find out how it came there", ""}, {You, "get it from elsewhere, with the verification on", "GOPROXY=https://proxy.golang.org go mod download {module}"}},
		},
		{
			Code:    "MH2105",
			Summary: "go.sum has another hash of {module} than the checksum database and the proxy",
			Meaning: "The database and the download agree, so it is the line in go.sum: a merge gone wrong, an edit, or a version that was tagged again before the database saw it.",
			Fixes:   []Remedy{{You, "find where the line comes from before you change it", "git log -S'{module_line}' -- go.sum"}},
		},
		{
			Code:    "MH2106",
			Summary: "what answers for the checksum database {db} at {entry} is not a checksum database: {why}",
			Meaning: "The answer has another form. A login page or a web server answers in its place.",
			Fixes:   []Remedy{{Owner, "see what answers at {url}", ""}},
		},
	}
}

// absenceCodes are about modules that are not there, or not for everybody.
func absenceCodes() []Entry {
	return []Entry{
		{
			Code:    "MH2201",
			Summary: "there is no module {module}, says {host}",
			Meaning: "The proxy works, and answered that it does not know the module.",
			Fixes:   []Remedy{{You, "check the path of the module", ""}, {You, "if it is private, say so", "go env -w GOPRIVATE={pattern}"}},
		},
		{
			Code:    "MH2202",
			Summary: "{path} has no version {version}, says {host}",
			Meaning: "The proxy knows the module and not this version.",
			Fixes:   []Remedy{{You, "use one that there is: {versions}", "go list -m -versions {path}"}},
		},
		{
			Code:    "MH2203",
			Summary: "version control has no {module}: {why}",
			Meaning: "The host answered that there is no such repository, or that it is not for you: most hosts say the same for both.",
			Fixes:   []Remedy{{You, "check the path of the module", ""}, {You, "if it is private, give git a credential for {host}", "git config --global url.\"ssh://git@{host}/\".insteadOf https://{host}/"}},
			Or:      []Other{{Auth, "git ls-remote https://{path} with your own credential shows whether it exists"}},
		},
		{
			Code:    "MH2301",
			Summary: "{host} wants a credential, and none was sent (401)",
			Meaning: "The go command takes it from the address in GOPROXY, from netrc, or from GOAUTH. None of them has one for this host.",
			Fixes:   []Remedy{{You, "add a line for it to netrc", "machine {host} login USER password TOKEN"}, {Owner, "give out a credential", ""}},
		},
		{
			Code:    "MH2302",
			Summary: "{host} refuses the credential that was sent (401)",
			Meaning: "It is wrong, or no longer valid.",
			Fixes:   []Remedy{{You, "get a new credential and put it into {from}", ""}},
		},
		{
			Code:    "MH2303",
			Summary: "{host} forbids it (403)",
			Meaning: "The server knows what was asked for and does not give it out. A 403 also ends the list of GOPROXY where a comma follows.",
			Fixes:   []Remedy{{Owner, "allow it, or say why not", ""}},
		},
		{
			Code:    "MH2304",
			Summary: "version control at {host} wants a credential: {why}",
			Meaning: "The go command runs git without a terminal, so it cannot ask for one.",
			Fixes:   []Remedy{{You, "have git use SSH for this host", "git config --global url.\"ssh://git@{host}/\".insteadOf https://{host}/"}, {You, "or add a line for it to netrc", "machine {host} login USER password TOKEN"}},
		},
		{
			Code:    NotAllowed,
			Summary: "{url} says what it sees of its upstreams only to who may read every module: {status}",
			Meaning: "The report of a server's own doctor names modules and addresses, so that it needs the credential that /status needs. It is sent over https or on this machine only.",
			Fixes:   []Remedy{{You, "set MODHAVEN_TOKEN to a token with that right, and use https", "export MODHAVEN_TOKEN=TOKEN"}, {Owner, "give out a token that may read everything", "modhaven token create NAME"}},
		},
	}
}
