package doctor

// firewallCodes are about what does not let packets through on purpose.
func firewallCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1301",
			Summary: "a firewall at {box} rejects connections to {host} port {port}",
			Meaning: "An ICMP message came back and names the machine that sent it, which is not the server's. Go's error is the same as where nothing listens. The server was not reached.",
			Fixes:   []Remedy{{Network, "let TCP to {ip} port {port} through on {box}", "iptables -I FORWARD -d {ip} -p tcp --dport {port} -j ACCEPT"}},
		},
		{
			Code:    "MH1302",
			Summary: "a firewall between this machine and {host} port {port} refuses connections in the server's name",
			Meaning: "The refusal is a TCP reset that has travelled over fewer routers than the answers of the host itself do, so something before the host sent it.",
			Fixes:   []Remedy{{Network, "find the firewall {hops} routers away from this machine and let TCP to {ip} port {port} through", ""}},
		},
		{
			Code:    "MH1303",
			Summary: "a firewall of this machine rejects connections to {host} port {port}",
			Meaning: "The refusal came from this machine's own address: a rule of its own firewall.",
			Fixes:   []Remedy{{You, "let TCP to {ip} port {port} out", "iptables -I OUTPUT -d {ip} -p tcp --dport {port} -j ACCEPT"}},
		},
		{
			Code:    "MH1304",
			Summary: "a firewall between this machine and {host} port {port} drops packets: no answer, while {control} of the same host answers",
			Meaning: "Packets to this port vanish and those to another port of the same address do not, so the host and the way to it work.",
			Fixes:   []Remedy{{Network, "let TCP to {ip} port {port} through, and the answers back", ""}, {You, "if an HTTP proxy must be used here, name it", "export HTTPS_PROXY=http://HOST:PORT"}},
			Or: []Other{
				{OriginSick, "on the server: ss -ltn 'sport = :{port}' shows a full queue (Recv-Q above Send-Q) where the program takes no connections"},
				{Firewall, "a capture on the server shows whether the packets arrive: its own firewall may drop them, or the way back"},
			},
		},
		{
			Code:    "MH1305",
			Summary: "no answer from {host} port {port}, and none from any other port: packets are dropped, or the host is gone",
			Meaning: "Nothing came back, neither a connection nor a refusal. Other hosts do answer, so the network of this machine works. A firewall that drops everything to this address, and a host that is switched off behind a silent router, look the same from here.",
			Fixes:   []Remedy{{Network, "see whether a rule drops TCP from this machine to {ip} port {port}", "traceroute -T -p {port} {ip}"}, {Owner, "see whether {ip} is up, and is still the address of {host}", ""}, {You, "if an HTTP proxy must be used here, name it", "export HTTPS_PROXY=http://HOST:PORT"}},
			Or: []Other{
				{OriginDown, "ask from another network: if {host} is silent there too, the host is gone"},
				{Config, "if other machines here reach it, compare their HTTPS_PROXY: a proxy may be needed"},
			},
		},
		{
			Code:    "MH1306",
			Summary: "a firewall of this machine drops connections to {host} port {port}",
			Meaning: "The kernel counts packets that it could not send (TCPRetransFail in /proc/net/netstat) while nothing was answered: a rule of this machine dropped them.",
			Fixes:   []Remedy{{You, "let TCP to {ip} port {port} out", "iptables -I OUTPUT -d {ip} -p tcp --dport {port} -j ACCEPT"}},
			Or:      []Other{{Firewall, "iptables -S OUTPUT (or nft list ruleset) on this machine shows whether there is such a rule"}},
		},
		{
			Code:    "MH1307",
			Summary: "something on the way drops TLS connections that name {host}",
			Meaning: "The address answers a TLS handshake that names another host, and is silent when this one is named: a filter reads the name in it.",
			Fixes:   []Remedy{{Network, "let TLS connections to {host} through", ""}, {You, "until then use another entry in GOPROXY, or an HTTP proxy", ""}},
			Or:      []Other{{OriginSick, "a capture on the server shows whether the handshake arrives there"}},
		},
		{
			Code:    "MH1308",
			Summary: "something on the way resets TLS connections that name {host}",
			Meaning: "The connection was reset before the server had taken the handshake's first message, and one that names another host is not reset: a filter reads the name in it.",
			Fixes:   []Remedy{{Network, "let TLS connections to {host} through", ""}, {You, "until then use another entry in GOPROXY, or an HTTP proxy", ""}},
			Or:      []Other{{TLS, "a capture on the server shows whether it sent the reset itself"}},
		},
		{
			Code:    "MH1309",
			Summary: "a firewall at {box} rejects connections to {host} port {port} ({why})",
			Meaning: "The ICMP message says that the connection is administratively prohibited, which only a rule says.",
			Fixes:   []Remedy{{Network, "let TCP to {ip} port {port} through on {box}", "iptables -I FORWARD -d {ip} -p tcp --dport {port} -j ACCEPT"}},
		},
		{
			Code:    "MH1310",
			Summary: "connections to {host} port {port} are refused by the host itself, with an ICMP message: its own firewall rejects them",
			Meaning: "A closed port is refused with a TCP reset. An ICMP message from the host's own address is what a firewall rule on it sends.",
			Fixes:   []Remedy{{Owner, "let TCP port {port} in on {ip}", "iptables -I INPUT -p tcp --dport {port} -j ACCEPT"}},
		},
		{
			Code:    "MH1311",
			Summary: "nothing outside of this machine's network answers: packets are dropped, or there is no way out",
			Meaning: "No host that was tried answers on any port. It is the network's way out, or a firewall that lets nothing out but an HTTP proxy.",
			Fixes:   []Remedy{{You, "if an HTTP proxy must be used here, name it", "export HTTPS_PROXY=http://HOST:PORT"}, {Network, "see why this machine reaches nothing outside", ""}},
			Or:      []Other{{Path, "ask from another machine of this network: where nothing answers there either, the way out is broken"}},
		},
		{
			Code:    "MH1312",
			Summary: "connections to {host} port {port} are made, and what is sent on them gets lost",
			Meaning: "The address takes connections, and no packet with data arrives there, large or small, whatever name it has in it.",
			Fixes:   []Remedy{{Network, "find what drops packets of open connections to {ip} port {port}", ""}},
			Or:      []Other{{OriginSick, "a capture on the server shows whether the packets arrive"}},
		},
	}
}

// pathCodes are about the way.
func pathCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1401",
			Summary: "{gateway} does not answer on this machine's own network, so nothing gets to {ip}",
			Meaning: "The kernel asked for the hardware address of the next hop and nobody answered: the gateway, or the host itself where it is in this network, is off or unplugged.",
			Fixes:   []Remedy{{Network, "see whether {gateway} is up", "ip neigh show {gateway}"}},
		},
		{
			Code:    "MH1402",
			Summary: "the router {box} has no route to {ip}",
			Meaning: "It answered with an ICMP message that the network is unreachable.",
			Fixes:   []Remedy{{Network, "add the route on {box}", ""}},
		},
		{
			Code:    "MH1403",
			Summary: "large packets to {host} get lost: a TLS handshake of 1500 bytes fails, and one of 300 passes",
			Meaning: "Go's first TLS message needs two packets, of which the large one vanishes. A link on the way takes smaller packets, and the message that says so does not come back; or a device cannot take a handshake in two parts.",
			Fixes:   []Remedy{{You, "until it is mended, make the handshake small", "GODEBUG=tlsmlkem=0 go mod download"}, {Network, "let ICMP \"fragmentation needed\" through, or clamp the MSS", "iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"}},
			Or:      []Other{{Firewall, "modhaven doctor on the client names another host in a handshake: where that passes, a filter reads the name {host}"}},
		},
		{
			Code:    "MH1404",
			Summary: "large packets from {host} get lost on the way back",
			Meaning: "The server took the handshake, and the full-size packets of its answer vanish: small ones behind them arrive, or a handshake for which both sides send small packets works.",
			Fixes:   []Remedy{{Network, "let ICMP \"fragmentation needed\" through to {ip}, or clamp the MSS", "iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"}, {You, "until it is mended, find smaller packets by trying", "sysctl net.ipv4.tcp_mtu_probing=1"}},
		},
		{
			Code:    "MH1405",
			Summary: "packets to {host} get lost: {count} connections of {of} needed a packet to be sent again",
			Meaning: "Each lost packet of a new connection costs a second, and downloads get slow.",
			Fixes:   []Remedy{{Network, "find where packets get lost", "mtr -T -P {port} {ip}"}},
			Or:      []Other{{Path, "packets may overtake one another on the way: then a capture of the other side has none that was sent again"}},
		},
		{
			Code:    "MH1406",
			Summary: "{host} cannot be reached over IPv6, and can over IPv4",
			Meaning: "Each new connection tries IPv6 first, and loses up to 0.3 seconds.",
			Fixes:   []Remedy{{Network, "mend the IPv6 way to {ip}", ""}, {Owner, "or take the AAAA record of {host} away", ""}},
		},
		{
			Code:    "MH1407",
			Summary: "packets to {ip} go round in circles: {box} gave them up",
			Meaning: "The ICMP message says that a packet passed too many routers.",
			Fixes:   []Remedy{{Network, "mend the routes around {box}", "traceroute -T -p {port} {ip}"}},
		},
		{
			Code:    "MH1408",
			Summary: "the download of {what} stopped after {bytes}, and what was sent again did not arrive",
			Meaning: "The connection worked and then went silent with data under way. Something on the way cuts long connections, or lost its memory of this one.",
			Fixes:   []Remedy{{Network, "find what drops packets of open connections to {ip} port {port}", ""}},
			Or:      []Other{{OriginSick, "a capture on the server shows whether it goes on sending"}},
		},
	}
}

// mappingCodes are about addresses that lead to the wrong place.
func mappingCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1501",
			Summary: "{addr} takes connections and closes them at once, before a byte: a port forwarder whose backend is not there",
			Meaning: "So does a container's published port when nothing listens inside, and a load balancer without a backend. The kernel of the host takes the connection, and whoever should be behind it does not.",
			Fixes:   []Remedy{{Owner, "see that the program inside listens on the port that is published, on all addresses", "docker ps"}, {Owner, "and on that machine, who holds the port", "ss -ltnp 'sport = :{port}'"}},
			Or:      []Other{{OriginSick, "on the server: ss -ltnp 'sport = :{port}' names the program; if that is the proxy itself, its log says why it hangs up"}},
		},
		{
			Code:    "MH1502",
			Summary: "{addr} is forwarded to a machine behind it, and nothing listens there",
			Meaning: "The refusal has travelled over more routers than the answers of the host itself do: it comes from a container or machine that the port is mapped to.",
			Fixes:   []Remedy{{Owner, "map the port to the one that the program inside listens on", "docker run -p {port}:PORT …"}},
		},
		{
			Code:    "MH1503",
			Summary: "{addr} speaks plain HTTP where TLS is expected",
			Meaning: "The first bytes are those of an HTTP answer. The port is mapped to the plain one, or TLS is not set up.",
			Fixes:   []Remedy{{Owner, "map port {port} to the TLS port, or set TLS up", ""}, {You, "if it is meant to be plain, write http:// in GOPROXY", "go env -w GOPROXY='{better}'"}},
		},
		{
			Code:    "MH1504",
			Summary: "{addr} is forwarded to a machine that {box} cannot reach",
			Meaning: "The ICMP message names a router with an inside address: the port is mapped to a host that is gone.",
			Fixes:   []Remedy{{Owner, "correct the mapping of port {port}", ""}},
			Or:      []Other{{OriginDown, "if the port is not mapped, {ip} itself is gone"}},
		},
		{
			Code:    "MH1505",
			Summary: "{addr} answers, and speaks neither TLS nor HTTP: another program has this port",
			Meaning: "The first bytes that came are of no protocol that a module proxy speaks.",
			Fixes:   []Remedy{{Owner, "see who has the port", "ss -ltnp 'sport = :{port}'"}, {You, "check the port in GOPROXY", ""}},
		},
	}
}

// proxyCodes are about the HTTP proxy on the way out.
func proxyCodes() []Entry {
	return []Entry{
		{
			Code:    "MH1601",
			Summary: "the HTTP proxy {proxy} has no address: its name cannot be looked up",
			Meaning: "Every request is sent to it, and its name is wrong or DNS does not know it.",
			Fixes:   []Remedy{{You, "correct {name}, or unset it where no proxy is needed", "unset {name}"}},
		},
		{
			Code:    "MH1602",
			Summary: "the HTTP proxy {proxy} cannot be connected to: {why}",
			Meaning: "Every request is sent to it. No server outside was asked.",
			Fixes:   []Remedy{{You, "correct {name}, or unset it where no proxy is needed", "unset {name}"}, {Network, "see whether the proxy {proxy} runs", ""}},
		},
		{
			Code:    "MH1603",
			Summary: "the HTTP proxy {proxy} does not answer",
			Meaning: "Every request is sent to it, and it is silent. The go command would wait without end once it is connected.",
			Fixes:   []Remedy{{Network, "see whether the proxy {proxy} works", ""}, {You, "correct {name}, or unset it where no proxy is needed", "unset {name}"}},
		},
		{
			Code:    "MH1604",
			Summary: "the HTTP proxy {proxy} wants a user and password (407)",
			Meaning: "The go command shows only \"Proxy Authentication Required\".",
			Fixes:   []Remedy{{You, "put them into {name}", "export {name}=http://USER:PASSWORD@{proxy}"}},
		},
		{
			Code:    "MH1605",
			Summary: "the HTTP proxy {proxy} does not let {host} through ({status})",
			Meaning: "The proxy refused to connect to the server by a rule of its own. The server was not asked.",
			Fixes:   []Remedy{{Network, "allow {host}:{port} on the proxy {proxy}", ""}, {You, "if {host} is inside, except it from the proxy", "export NO_PROXY={host}"}},
		},
		{
			Code:    "MH1606",
			Summary: "the HTTP proxy {proxy} cannot reach {host} ({status})",
			Meaning: "The proxy works, and says that it could not connect to the server.",
			Fixes:   []Remedy{{Network, "see why the proxy {proxy} cannot reach {host}:{port}: its log says more", ""}, {You, "if {host} is inside, except it from the proxy", "export NO_PROXY={host}"}},
			Or:      []Other{{OriginDown, "ask {host} from a machine that needs no proxy"}},
		},
		{
			Code:    "MH1607",
			Summary: "the HTTP proxy {proxy} closes the connection instead of answering",
			Meaning: "It was connected to and hung up. It may want TLS, speak another protocol (SOCKS), or be broken.",
			Fixes:   []Remedy{{You, "check the scheme and port in {name}", ""}, {Network, "see the log of the proxy {proxy}", ""}},
		},
	}
}
