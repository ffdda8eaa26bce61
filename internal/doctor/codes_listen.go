package doctor

// Open is the code of a verdict on a port that clients can connect to.
const Open Code = "MH0002"

// listenCodes are what --listen finds on the server's own machine.
func listenCodes() []Entry {
	return []Entry{
		{
			Code:    Open,
			Summary: "{program} listens on {bound}, and nothing on this machine keeps clients from {addr}",
			Meaning: "The program was found, a connection from this machine was taken, and no rule of this machine's firewall stands in the way. Where clients cannot connect, it is on the way to this machine: see modhaven doctor on the client's.",
			Or:      []Other{{Firewall, "run it as root: the rules of this machine's firewall could not be read"}},
		},
		{
			Code:    "MH1317",
			Summary: "this machine's own firewall drops connections to {addr}",
			Meaning: "A rule, or the policy of a chain that nothing before it excepts this port from, drops the first packet of a connection. Clients get no answer and wait until they give up.",
			Fixes:   []Remedy{{Owner, "let TCP port {port} in", "{letin}"}},
			Or: []Other{
				{OriginSick, "ss -ltn 'sport = :{port}' shows a full queue (Recv-Q above Send-Q) where the program takes no connections"},
			},
		},
		{
			Code:    "MH1318",
			Summary: "this machine's own firewall refuses connections to {addr}",
			Meaning: "A rule rejects the first packet of a connection. To clients it looks as if nothing listened (a TCP reset), or they get an ICMP message of this machine.",
			Fixes:   []Remedy{{Owner, "let TCP port {port} in", "{letin}"}},
			Or:      []Other{{OriginDown, "the program may have ended meanwhile: ss -ltnp 'sport = :{port}'"}},
		},
		{
			Code:    "MH1319",
			Summary: "this machine's firewall lets some clients connect to {addr} and others not",
			Meaning: "Whether a client is let in depends on what is not known here: its address, a set, a limit, or chance.",
			Fixes:   []Remedy{{Owner, "see whether the client in question is meant by it", "iptables-save"}},
		},
		{
			Code:    "MH1506",
			Summary: "nothing listens on port {port} of this machine: {program} does, inside a container or network namespace, and the port is not published",
			Meaning: "The program listens on addresses of its own namespace alone, which other machines do not reach.",
			Fixes:   []Remedy{{Owner, "publish the port", "docker run -p {port}:{port} …"}, {Owner, "or run the program in the host's network", "docker run --network host …"}},
		},
		{
			Code:    "MH1507",
			Summary: "{addr} is mapped to {to}, and nothing answers there",
			Meaning: "This machine passes the port on to a container or another machine, and a connection to that place fails from here too.",
			Fixes:   []Remedy{{Owner, "start the program inside, or map the port to the one that it listens on", "docker run -p {port}:PORT …"}},
		},
		{
			Code:    "MH1508",
			Summary: "{addr} is mapped to {to}, and inside {program} listens on {inside} only",
			Meaning: "What is mapped arrives at the container's own address. A program that listens on its loopback address does not get it.",
			Fixes:   []Remedy{{Owner, "have the program inside listen on all addresses, such as :{toport}", ""}},
			Or:      []Other{{OriginDown, "where that program belongs to another container, nothing listens in this one: docker ps"}},
		},
		{
			Code:    "MH1509",
			Summary: "{ip} is no address of this machine",
			Meaning: "What was found holds for this machine. A load balancer or a gateway may have the address and pass connections on, which cannot be seen from here.",
			Fixes:   []Remedy{{Owner, "see that {ip} port {port} is passed on to this machine, or look on the machine that has the address", "ip -br addr"}},
		},
		{
			Code:    "MH1804",
			Summary: "nothing listens on port {port} of this machine",
			Meaning: "The kernel's table of sockets has none that waits for connections there, so it refuses them with a TCP reset.",
			Fixes:   []Remedy{{Owner, "start the server, or see its log for why it ended", "systemctl status modhaven"}},
			Or:      []Other{{PortMapping, "run it as root: the port may be mapped to a container by a rule that only root can read"}},
		},
		{
			Code:    "MH1805",
			Summary: "{program} listens on {bound} only: clients on other machines are refused",
			Meaning: "An address of loopback is reached from this machine alone.",
			Fixes:   []Remedy{{Owner, "have it listen on {ip}, or on all addresses", "modhaven serve --listen :{port}"}},
		},
		{
			Code:    "MH1806",
			Summary: "{program} listens on {bound}, and not on {ip}",
			Meaning: "A program that listens on one address of a machine is not reached by its others.",
			Fixes:   []Remedy{{Owner, "have it listen on {ip}, or on all addresses", "modhaven serve --listen :{port}"}},
		},
		{
			Code:    "MH1807",
			Summary: "{program} listens on {bound} for IPv6 alone: clients that come over IPv4 are refused",
			Meaning: "The socket has the option IPV6_V6ONLY, or this machine sets it by default: a connection to the IPv4 address was refused though the IPv6 wildcard is listened on.",
			Fixes:   []Remedy{{Owner, "have it listen on 0.0.0.0:{port} too", ""}, {Owner, "where the system's default is the cause", "sysctl net.ipv6.bindv6only"}},
			Or:      []Other{{Firewall, "run it as root: a rule of this machine's firewall may refuse in the program's name"}},
		},
		{
			Code:    "MH1808",
			Summary: "nothing listens on port {port} of this machine; {program} listens on {bound}",
			Meaning: "A program of that name is a module proxy, or stands before one, and it waits on another port.",
			Fixes:   []Remedy{{Owner, "have it listen on port {port}, or pass that port on to it", "modhaven serve --listen :{port}"}, {You, "or name its port in GOPROXY", ""}},
			Or:      []Other{{OriginDown, "where that program is another one, the server does not run: systemctl status modhaven"}},
		},
		{
			Code:    "MH1913",
			Summary: "{program} does not take its connections: the queue of {bound} is full",
			Meaning: "A connection from this machine was not taken, and meanwhile the kernel counted an overflow (ListenOverflows in /proc/net/netstat). Clients get no answer, or wait for seconds.",
			Fixes:   []Remedy{{Owner, "see why the program does not take connections: it may be stuck, or out of file descriptors", "ss -ltnp 'sport = :{port}'"}},
		},
		{
			Code:    "MH1914",
			Summary: "{overflows} connections to programs of this machine have found a full queue since it was started",
			Meaning: "The kernel counts them for all programs together. Each was a client that waited for a second or more, or gave up.",
			Fixes:   []Remedy{{Owner, "where the number grows, give the queue more room", "sysctl -w net.core.somaxconn=4096"}},
		},
	}
}
