package msg

// chineseExec is about exec: its manual and what it says.
func chineseExec() []entry {
	return []entry{
		{"run a command behind a module proxy of its own", "让一个命令在它自己的模块代理之后运行"},
		{"Runs CMD with GOPROXY set to a module proxy that lives as long as CMD does, on a free port of 127.0.0.1. What is downloaded is kept in the user's store, the one that serve uses too; any number of commands may use it at once.",
			"运行 CMD，并把 GOPROXY 设为一个与 CMD 同生共死的模块代理，它监听 127.0.0.1 的一个空闲端口。下载的内容保存在用户的存储里，与 serve 所用的相同；任意多个命令可以同时使用它。"},
		{"Modules come from where the caller's go command would get them: the entries of GOPROXY become the upstreams of the proxy, unless --upstreams names others. Where that list goes on to direct, CMD's does too. A file:// entry at the front of GOPROXY stays at the front; elsewhere it is refused. A mirror's address in GOSUMDB is asked by the proxy. Modules that match GOPRIVATE or GONOPROXY are fetched from version control, with the caller's own configuration and credentials: by the proxy where GOPROXY goes on to direct, else by CMD as without Modhaven.",
			"模块的来源与调用者的 go 命令相同：GOPROXY 的各项成为代理的上游，除非 --upstreams 指定了别的。该列表若以 direct 结尾，CMD 的列表也如此。GOPROXY 开头的 file:// 项保持在开头；在别处则被拒绝。GOSUMDB 中的镜像地址由代理去询问。匹配 GOPRIVATE 或 GONOPROXY 的模块用调用者自己的配置和凭据从版本控制获取：GOPROXY 以 direct 结尾时由代理获取，否则由 CMD 获取，与没有 Modhaven 时一样。"},
		{"The environment of CMD is the caller's with two variables changed: GOPROXY is the proxy, and what stands before and behind it; GOSUMDB is the checksum database without an address, so that it is asked through the proxy. Where the proxy fetches private modules too, GONOPROXY is none.",
			"CMD 的环境就是调用者的环境，只改两个变量：GOPROXY 是该代理，以及它之前和之后的项；GOSUMDB 是不带地址的校验和数据库，因此会经由代理询问。若代理也获取私有模块，GONOPROXY 为 none。"},
		{"CMD has the standard streams, the terminal and the process group of Modhaven. Signals that are sent to Modhaven alone are passed on to it. Options behind CMD are its own.",
			"CMD 使用 Modhaven 的标准流、终端和进程组。只发给 Modhaven 的信号会转发给它。CMD 之后的选项属于 CMD。"},
		{"At the end one line on standard error says how many modules were served, how many of them came from the store, and what went wrong on the way. Where CMD failed and downloads did too, the reasons of each upstream stand before it, and what the doctor says about them. A terminal shows how far a large download is.",
			"结束时在标准错误上打印一行：提供了多少模块，其中多少来自存储，途中出了什么问题。CMD 失败且有下载失败时，在此之前列出各上游的原因，以及诊断的结论。终端上会显示大文件的下载进度。"},
		{"With --attempts a CMD that fails, and whose downloads did too, is run again from the start. That is for what no proxy can try again. Its standard input must be a terminal, a file or /dev/null.",
			"使用 --attempts 时，若 CMD 失败且其下载也失败，则从头重新运行。这是为了任何代理都无法重试的情况。其标准输入必须是终端、文件或 /dev/null。"},
		{"How often CMD is run at most, where it fails and downloads did too", "CMD 失败且下载也失败时，最多运行 CMD 几次"},
		{"--attempts is a number from 1 to %d", "--attempts 是 1 到 %d 的数"},
		{"%s is not run again: its standard input is a pipe that it may have read; give it a file or /dev/null", "%s 不再重新运行：其标准输入是管道，可能已被读取；请给它文件或 /dev/null"},
		{"%s failed (status %d), and so did downloads: %s; attempt %d of %d", "%s 失败（状态 %d），下载也失败了：%s；第 %d 次尝试，共 %d 次"},
		{"1 download was left to the command's own version control", "1 个下载留给了命令自己的版本控制"},
		{"%d downloads were left to the command's own version control", "%d 个下载留给了命令自己的版本控制"},
		{"In CI, and once more where downloads failed", "在 CI 中，下载失败时再运行一次"},
		{"The exit status is that of CMD, of its last run, or 128+N where signal N killed it. Where CMD was not run it is one of those below.",
			"退出状态就是 CMD 的退出状态；被信号 N 杀死时为 128+N。CMD 未能运行时为下列之一。"},
		{"Print no summary and no progress; what failed is printed all the same", "不打印总结和进度；失败的原因仍会打印"},
		{"Log every download to standard error", "把每次下载记录到标准错误"},
		{"What they match is private to the proxy too where --private is not given. A CMD that sets GOPRIVATE itself must set GONOPROXY too",
			"未给出 --private 时，它们匹配的模块对代理也是私有的。自己设置 GOPRIVATE 的 CMD 也必须设置 GONOPROXY"},
		{"the proxy could not start; the reason is on standard error", "代理无法启动；原因见标准错误"},
		{"CMD was found and cannot be run", "找到了 CMD，但无法运行"},
		{"CMD was not found", "找不到 CMD"},
		{"Build", "构建"},
		{"Download in a CI job, with the store in the job's cache", "在 CI 作业中下载，存储放在作业的缓存里"},
		{"Build an image; the Dockerfile needs ARG GOPROXY and ARG GOSUMDB", "构建镜像；Dockerfile 里需要 ARG GOPROXY 和 ARG GOSUMDB"},
		{"Several commands behind one proxy", "在同一个代理之后运行几个命令"},
		{"In mainland China, whatever GOPROXY says", "在中国大陆，不论 GOPROXY 的设置"},

		{"%s: it is only in the working directory; to run it from there write ./ before the name", "%s：只在当前目录中找到；若要运行它，请在名称前加 ./"},
		{"%s: the file in PATH is not executable", "%s：PATH 中的这个文件不可执行"},
		{"%s: there is no such command in PATH", "%s：PATH 中没有这个命令"},
		{"%s: it is a directory", "%s：这是目录"},
		{"%s: it is not executable", "%s：不可执行"},
		{"%s: it is neither a program nor a script that begins with #!", "%s：既不是程序，也不是以 #! 开头的脚本"},
		{"%s: the interpreter that it needs is not there; see its first line", "%s：它所需的解释器不存在；请看它的第一行"},
		{"%s: there is no such file", "%s：没有这个文件"},
		{"GOPROXY of %s names directories alone (%s), which need no proxy; run the command without modhaven exec, or name a proxy with --upstreams",
			"%s 的 GOPROXY 只有目录（%s），不需要代理；请不用 modhaven exec 直接运行该命令，或用 --upstreams 指定代理"},
		{"GOPROXY of %s has a file:// entry behind a proxy (%s); move it to the front, or name the proxies with --upstreams",
			"%s 的 GOPROXY 在代理之后有 file:// 项（%s）；请把它移到开头，或用 --upstreams 指定代理"},
		{"the proxy on %s ended early: %v", "%s 上的代理提前结束：%v"},

		{"nothing was asked of the proxy", "没有向代理请求任何内容"},
		{"no modules, %s", "没有模块，%s"},
		{"1 module", "1 个模块"},
		{"%d modules", "%d 个模块"},
		{"%s (%d from the store), %s", "%s（%d 个来自存储），%s"},
		{"1 stale list", "1 个过期的列表"},
		{"%d stale lists", "%d 个过期的列表"},
		{"1 download had to be tried again", "1 个下载经过重试"},
		{"%d downloads had to be tried again", "%d 个下载经过重试"},
		{"1 download failed", "1 个下载失败"},
		{"%d downloads failed", "%d 个下载失败"},
		{"the store failed for 1 file: %s", "存储对 1 个文件出错：%s"},
		{"the store failed for %d files: %s", "存储对 %d 个文件出错：%s"},
		{"1 download failed:", "1 个下载失败："},
		{"%d downloads failed:", "%d 个下载失败："},
		{"1 download was under way when the command ended:", "命令结束时 1 个下载尚未完成："},
		{"%d downloads were under way when the command ended:", "命令结束时 %d 个下载尚未完成："},
		{"no whole answer for %s", "%s 没有完整的应答"},
		{"and 1 other reason", "以及另 1 个原因"},
		{"and %d other reasons", "以及另 %d 个原因"},
		{"%s (%d, such as %s)", "%s（%d 个，例如 %s）"},
		{"and %d more", "和另外 %d 个"},
	}
}

// chineseStatus is what the command status prints.
func chineseStatus() []entry {
	return []entry{
		{`Asks /status of the server at URL and prints it for a person: the upstreams, each with
			the state of its breakers, its health and its latencies, what clients asked, and what is
			stored. Without URL the server that is configured on this machine is asked, as
			healthcheck does.`,
			"向 URL 处的服务器请求 /status，并以便于阅读的形式打印：各上游的熔断器状态、健康状况与延迟，客户端的请求，以及已存储的内容。不给出 URL 时，与 healthcheck 一样询问本机所配置的服务器。"},
		{`A breaker is closed while an upstream is asked, open while it is left alone after
			failures, and half-open while it is tried again.`,
			"熔断器闭合时照常请求上游，断开时因失败而暂不请求，半开时正在重新尝试。"},
		{"Print what the server says, in JSON", "以 JSON 打印服务器的回答"},
		{"The server on this machine", "本机的服务器"},
		{"Another, for a script", "另一台服务器，供脚本使用"},
		{"%s: the answer is not the status of a Modhaven", "%s：回答不是 Modhaven 的状态"},
		{"Modhaven %s, up %s", "Modhaven %s，已运行 %s"},
		{"requests: %d, %s of them hits, %d stale, %d failed, %s sent", "请求：%d，命中率 %s，过期回答 %d，失败 %d，已发送 %s"},
		{"fetched ahead: %d files, %s, of which %s asked for so far; %d under way, %d wait", "预先下载：%d 个文件，%s，其中至今被请求 %s；%d 个进行中，%d 个等待"},
		{"under way: %d files, %d lists and queries; %d requests wait, %d are held", "进行中：%d 个文件，%d 个列表和查询；%d 个请求在等待，%d 个被暂留"},
		{"stored: not yet counted; %d errors of the store", "存储：尚未统计；存储错误 %d 次"},
		{"stored: %d files, %s, counted %s ago; %d errors of the store", "存储：%d 个文件，%s，统计于 %s 前；存储错误 %d 次"},
		{"not verified: %d files, private ones among them; %d answers are not in the history", "未经校验：%d 个文件（含私有模块）；%d 次应答未记入历史"},
		{"REFUSED, looks internal: %s (%s), %d questions; to serve it set %s", "已拒绝，看起来是内部的：%s（%s），%d 次询问；若要提供它，请设置 %s"},
		{"LEAK? looks internal and goes to public servers: %s (%s), %d questions; to keep it inside set %s", "泄漏？看起来是内部的，却发往公共服务器：%s（%s），%d 次询问；若要留在内部，请设置 %s"},
		{"own checksum database: %s, %d records", "自有校验和数据库：%s，%d 条记录"},
		{`A server that wants a credential is shown the token of MODHAVEN_TOKEN, over https or on
			this machine.`, "若服务器要求凭据，则经 https 或在本机上出示 MODHAVEN_TOKEN 中的令牌。"},
		{"no upstream is known", "没有已知的上游"},
		{"no reason is known", "原因未知"},
		{"DEGRADED: %s", "降级：%s"},
		{"DEGRADED for %s, since %s: %s", "已降级 %s，自 %s 起：%s"},
		{"%s: healthy", "%s：健康"},
		{"%s: ill", "%s：不健康"},
		{", %d under way of %d at once, %d wait, %d retries left", "，进行中 %d，同时最多 %d，等待 %d，剩余重试 %d"},
		{", paused for %s", "，暂停 %s"},
		{"%-6s %s, %d attempts, %d failed", "%-6s %s，尝试 %d 次，失败 %d 次"},
		{", first byte after %s, 95%%: %s, 99%%: %s", "，首字节延迟 %s，95%%：%s，99%%：%s"},
		{", for %s", "，已持续 %s"},
		{"; last error: %s", "；最近的错误：%s"},
		{"closed", "闭合"},
		{"OPEN", "断开"},
		{"half-open", "半开"},
	}
}

// chineseLedger is the manual of the command ledger, and what it prints.
func chineseLedger() []entry {
	return []entry{
		{"show what is known of the files that were served", "显示对已提供文件的记录"},
		{"print what is recorded of files", "打印文件的记录"},
		{`The ledger is the record, in the state directory, of the hash of every .mod and .zip that
			was ever served, and of who was served what. More: docs/ledger.md.`,
			"账本位于状态目录中，记录曾经提供过的每个 .mod 和 .zip 的哈希，以及向谁提供了什么。详见 docs/ledger.md。"},
		{`Prints a line for each .mod and .zip that is recorded of MODULE, or of one VERSION of it,
			or of everything: the version, the kind, the hash as in go.sum, when it was first seen,
			the upstream it came from ("-" where none is known), and what is known of it: "verified
			by" a checksum database and the size of the signed tree that proves it, "unverified", or
			"WRONG:" and why nothing is served that has this hash.`,
			`为 MODULE、或它的一个 VERSION、或全部记录中的每个 .mod 和 .zip 打印一行：版本、类型、与 go.sum 中相同的哈希、首次见到的时间、来自哪个上游（未知时为 "-"），以及它的状况：“已由”哪个校验和数据库“验证”以及证明它的已签名树的大小，“未验证”，或“错误：”以及为何不提供具有此哈希的内容。`},
		{"A file that was found wrong has a second line once a proven one took its place.", "被发现有错的文件，在经证明的文件取代它之后会有第二行。"},
		{"It may run while servers use the state directory, as a user who may write to it. It makes nothing where there is no ledger.",
			"服务器正在使用状态目录时也可以运行，但所用的用户须能写入该目录。没有账本时不会创建任何内容。"},
		{`As JSON a file has the keys module, version, kind, h1, first and, where they are known,
			from, verifiedBy, treeSize, verified and wrong; an answer has at, client, module, version,
			what, status, bytes and cache. Times are UTC.`,
			"JSON 形式中，文件有键 module、version、kind、h1、first，以及已知时的 from、verifiedBy、treeSize、verified 和 wrong；应答有 at、client、module、version、what、status、bytes 和 cache。时间为 UTC。"},
		{"Only files that nothing proves and that were not found wrong, the oldest first", "只列出尚无证明且未发现有错的文件，最早的在前"},
		{"Below, who was served them: the last 1000 answers, the newest first", "在下方列出向谁提供了它们：最近 1000 个应答，最新的在前"},
		{"Print a JSON object for each file and each answer, one a line", "为每个文件和每个应答打印一个 JSON 对象，每行一个"},
		{"nothing that is asked for is recorded, or it failed; the reason is on standard error", "没有所问内容的记录，或失败；原因见标准错误"},
		{"One version, and who has it", "一个版本，以及谁得到了它"},
		{"What no checksum database has proven yet", "尚无校验和数据库证明的文件"},
		{"What was found wrong, for a script", "被发现有错的文件，供脚本使用"},
		{"%q is not MODULE or MODULE@VERSION, such as golang.org/x/text@v0.14.0", "%q 不是 MODULE 或 MODULE@VERSION，例如 golang.org/x/text@v0.14.0"},
		{"%s: there is no ledger; is it another state directory?", "%s：没有账本；是否是另一个状态目录？"},
		{"%s: nothing that is asked for is recorded", "%s：没有所问内容的记录"},
		{"unverified", "未验证"},
		{"WRONG: %s", "错误：%s"},
		{"verified by %s at tree size %s", "已由 %s 验证，树大小 %s"},
		{"Served, the newest first:", "提供记录，最新的在前："},
	}
}

// chineseSumdb is about the commands of sumdb.
func chineseSumdb() []entry {
	return []entry{
		{"make keys for a checksum database, and audit one", "为校验和数据库生成密钥，以及审计校验和数据库"},
		{`A checksum database is a log of the hashes of module versions that can only grow. The go
			command checks every new version against it. With one of your own, private modules are
			checked too: docs/own-checksum-database.md.`,
			"校验和数据库是模块版本哈希的日志，只增不改。go 命令用它校验每个新版本。有了自己的数据库，私有模块也能得到校验：docs/own-checksum-database.md。"},
		{"make the keys of a checksum database", "生成校验和数据库的密钥"},
		{`Makes a key pair for a checksum database that is to be called NAME, a host name with or
			without a path. The signer key, which is secret, goes to a new file that its owner alone
			can read; a file that exists is never touched. The verifier key is printed, and the
			setting that clients need.`,
			"为名为 NAME（主机名，可带路径）的校验和数据库生成一对密钥。签名密钥须保密，写入只有所有者可读的新文件；已存在的文件绝不改动。随后打印验证密钥以及客户端所需的设置。"},
		{`Whoever has the signer key can show your builds a history of their own. It need not be on
			any other machine than the one that appends. A lost one cannot be made again: keep a copy.`,
			"得到签名密钥的人可以向您的构建展示伪造的历史。除追加记录的机器外，它无需存放在别处。丢失后无法重新生成：请保留副本。"},
		{"The new file of the signer key; without it NAME.key, with _ for /", "存放签名密钥的新文件；不给出时为 NAME.key，其中 / 换为 _"},
		{"Print what belongs to the signer key in a file, and make none", "打印文件中签名密钥所对应的内容，不生成新密钥"},
		{"--show and --out do not go together", "--show 与 --out 不能同时使用"},
		{"%s: it exists and is left as it is; name another file, or print its keys with --show", "%s：文件已存在，保持不变；请另指定文件，或用 --show 打印其密钥"},
		{"warning: %s: others than its owner can read it; chmod 600 changes that", "警告：%s：所有者以外的人也能读取；可用 chmod 600 更正"},
		{"signer key, secret: %s\nverifier key, for clients and audits:\n%s\nthe setting of clients:\nGOSUMDB=%s\n",
			"签名密钥（须保密）：%s\n验证密钥，供客户端和审计使用：\n%s\n客户端的设置：\nGOSUMDB=%s\n"},
		{"Make the keys", "生成密钥"},
		{"Print the setting again", "再次打印设置"},

		{"replay a checksum database and check all of it", "重放校验和数据库并检查其全部内容"},
		{`Reads every tile of the checksum database at URL or in the directory DIR, and computes its
			tree of hashes anew: each record must have its hash in the lowest tiles, each tile its own
			in the next, and all of them the hash that is signed. Each record must be the two lines of
			one version, and no version may have two. With --since the log must also continue an
			earlier signed head: nothing that was signed then has changed or gone.`,
			"读取 URL 处或目录 DIR 中校验和数据库的所有瓦片，并重新计算其哈希树：每条记录的哈希须在最底层的瓦片中，每个瓦片的哈希须在上一层中，全部合起来须是已签名的哈希。每条记录须是一个版本的两行，且没有版本出现两次。给出 --since 时，日志还须延续早先已签名的树头：当时签名的内容没有改变或消失。"},
		{`URL may be that of the database itself or of a proxy with it, PROXY/sumdb/NAME. All records
			are read, so that a large database takes long: about 250 bytes for each. What fails for
			reasons of the network is tried again. Memory stays within a few dozen MiB; of more than a
			million records, 16 bytes each go to temporary files.`,
			"URL 可以是数据库本身，也可以是带有它的代理 PROXY/sumdb/NAME。所有记录都会被读取，因此大的数据库耗时较长：每条约 250 字节。因网络原因失败的请求会重试。内存不超过几十 MiB；记录超过一百万条时，每条另需 16 字节的临时文件。"},
		{"The verifier key that clients have in GOSUMDB; that of https://sum.golang.org is known", "客户端在 GOSUMDB 中所用的验证密钥；https://sum.golang.org 的密钥为已知"},
		{"A signed head of an earlier day, which the log must continue", "早先的已签名树头，日志必须延续它"},
		{"Where to write the signed head of a good log, for the next --since", "日志正确时写入其已签名树头的文件，供下次 --since 使用"},
		{"--key is missing: the verifier key of %s, which clients have in GOSUMDB; modhaven sumdb key --show FILE prints it",
			"缺少 --key：%s 的验证密钥，即客户端在 GOSUMDB 中所用的密钥；modhaven sumdb key --show FILE 可打印它"},
		{"the log is good", "日志正确"},
		{"the log is wrong; what is wrong in which tile is on standard error", "日志有错；哪个瓦片有什么错误见标准错误"},
		{"it could not be read, so nothing is known; the reason is on standard error", "无法读取，因此一无所知；原因见标准错误"},
		{"The files of a database of one's own", "自有数据库的文件"},
		{"Every night, from outside", "每晚从外部审计"},
		{"%s is WRONG: %s", "%s 有错：%s"},
		{"%s was not audited: %s", "%s 未能审计：%s"},
		{"%s: good: %d records, %d tiles, tree hash %s\n", "%s：正确：%d 条记录，%d 个瓦片，树的哈希 %s\n"},
		{"%s: good: %d records, %d tiles, tree hash %s; it continues the head of %d records\n", "%s：正确：%d 条记录，%d 个瓦片，树的哈希 %s；它延续了 %d 条记录时的树头\n"},
		{"%d of %d records (%d %%)", "%d / %d 条记录（%d %%）"},
	}
}

// chineseVerify is the manual of the command verify, and what it prints.
func chineseVerify() []entry {
	return []entry{
		{"check everything that is stored, and repair it", "检查并修复存储的全部内容"},
		{"Move what is wrong into quarantine, and fetch it again", "将有错的文件移入隔离区，并重新获取"},
		{`Reads every .info, .mod and .zip in the store, with as many readers at once as there are
			processors, and compares the hash of each .mod and .zip with that in the ledger. An .info
			has no hash: it must be one, and of its version.`,
			"读取存储中的每个 .info、.mod 和 .zip（同时读取的数量与处理器相同），并将每个 .mod 和 .zip 的哈希与账本中的比较。.info 没有哈希：它须是有效的 .info，且属于它的版本。"},
		{`A hash that the ledger does not know is looked up in the checksum database. What that does
			not know either, since the module is private or the database cannot be asked, is noted as
			first seen now, if it is a file that does not contradict itself.`,
			"账本中没有的哈希会在校验和数据库中查询。若模块是私有的，或数据库无法询问，因而仍不可知，则只要文件不自相矛盾，就记为现在首次见到。"},
		{`There is a line for each file that is not what it must be, with the hash that was found and
			the one that is recorded, for each that cannot be read, and for each that is no file of a
			module, which is never served, never touched, and no failure. The last line sums up. A
			terminal shows how far it is. An interrupt ends it with what was seen so far.`,
			"每个内容不对的文件打印一行，含所见的哈希和记录的哈希；无法读取的文件，以及不属于任何模块的文件（从不提供，不会改动，也不算失败）也各打印一行。最后一行是汇总。终端上会显示进度。中断时打印已检查的部分后结束。"},
		{`With --repair what is wrong or cannot be read leaves the store at once, with a copy below
			quarantine in the state directory where it can be read, and is then fetched again, with all
			the checks of a first fetch. Where it cannot be, nothing wrong is served all the same, and
			the next client has it fetched. A running server may have files up to 64 kB in memory,
			as they were when it read them; a restart forgets them.`,
			"使用 --repair 时，有错或无法读取的文件立即移出存储，能读取的会在状态目录的 quarantine 下留一份副本，然后重新获取，并经过首次获取时的全部检查。无法获取时，有错的内容同样不会再提供，下一个客户端请求时会再获取。运行中的服务器可能在内存中保留着不超过 64 kB 的文件，内容是它读取时的样子；重启即可清除。"},
		{`It may run while servers use the state directory, with the same settings as theirs. Lists,
			queries and answers of the checksum database are not looked at: what of them cannot be
			used is asked anew. More: docs/ledger.md.`,
			"服务器正在使用状态目录时也可以运行，设置应与服务器相同。不检查列表、查询和校验和数据库的应答：其中无法使用的会重新询问。详见 docs/ledger.md。"},
		{"all is well, or was repaired", "一切正常，或已修复"},
		{"something is still wrong, or not everything was read", "仍有错误，或未能读取全部内容"},
		{"Look, and change nothing in the store", "只检查，不改动存储"},
		{"Every week, of a server with a configuration file", "每周检查一次使用配置文件的服务器"},
		{"Do not wait for upstreams that are away", "不等待不可用的上游"},
		{"%s: there is no state directory; is it another one?", "%s：没有状态目录；是否是另一个目录？"},
		{"%s: without the ledger there is nothing to compare with; why it cannot be used is said above", "%s：没有账本就无从比较；无法使用它的原因见上"},
		{"%d files, %s of %s (%d %%)", "%d 个文件，%s / %s（%d %%）"},
		{"interrupted before everything was done", "已中断，未全部完成"},
		{"nothing was changed; --repair moves what is wrong into quarantine and fetches it again", "未做任何改动；--repair 会将有错的文件移入隔离区并重新获取"},
		{"%s: it is no file of a module; nobody is served of it", "%s：不属于任何模块；不会提供给任何人"},
		{"%s CANNOT BE READ: %s", "%s 无法读取：%s"},
		{"; it was fetched again", "；已重新获取"},
		{"; it is out of the store, and was not fetched again: %s", "；已移出存储，但未能重新获取：%s"},
		{"; it is STILL IN THE STORE: %s", "；它仍在存储中：%s"},
		{"1 file", "1 个文件"},
		{"%d files", "%d 个文件"},
		{"%d good", "%d 个正确"},
		{"%d noted for the first time", "%d 个首次记录"},
		{"%d wrong", "%d 个有错"},
		{"%d that cannot be read", "%d 个无法读取"},
		{"verified %s, %s: %s", "已检查 %s，%s：%s"},
		{"; %d fetched again", "；%d 个已重新获取"},
		{"; %d that are no files of modules", "；%d 个不属于任何模块"},
	}
}

// chineseExplain is the manual of the command explain, and what it prints.
func chineseExplain() []entry {
	return []entry{
		{"print the settings that a client of this server should have", "打印本服务器的客户端应有的设置"},
		{"Prints GOPROXY and GOSUMDB, and where modules are private GONOPROXY and GONOSUMDB, for clients of the server that is configured here. URL is the address under which clients reach it, without which it is that of listen.", "为此处所配置的服务器的客户端打印 GOPROXY 和 GOSUMDB；有私有模块时还打印 GONOPROXY 和 GONOSUMDB。URL 是客户端访问它的地址，省略时为 listen 的地址。"},
		{"It needs the same settings as the server, and asks nobody.", "它需要与服务器相同的设置，不询问任何人。"},
		{"How to print them: %s", "打印的形式：%s"},
		{"Compare them with what is set here, and explain each difference", "与此处的设置比较，并解释每处不同"},
		{"they were printed; with --check, all of them are set here", "已打印；使用 --check 时：此处全部已设置"},
		{"with --check: something is set otherwise here", "使用 --check 时：此处有设置不同"},
		{"For the shell", "用于 shell"},
		{"For all developers, once", "供所有开发者设置一次"},
		{"Is this machine set up?", "这台机器设置好了吗？"},
		{"--form %s is not one of: %s", "--form %s 不是下列之一：%s"},
		{"%s: %s cannot be written without harm; change the setting it comes from", "%s：%s 无法安全地写出；请修改它所来自的设置"},
		{"the server alone is asked, since what it refuses must not be fetched past it", "只询问该服务器，因为它拒绝的内容不得绕过它获取"},
		{"the checksum database is asked through the server", "校验和数据库经由服务器询问"},
		{"the server's own checksum database verifies private modules too", "服务器自有的校验和数据库也校验私有模块"},
		{"the server has private modules too", "私有模块也由服务器提供"},
		{"the server asks nobody for private modules", "服务器不向任何人询问私有模块"},
		{"no public checksum database knows private modules", "公共校验和数据库不认识私有模块"},
		{"%s is not set; it should be %s: %s", "%s 未设置；应为 %s：%s"},
		{"%s is %s (%s); it should be %s: %s", "%s 当前为 %s（%s）；应为 %s：%s"},
		{"all of it is set as this server needs it", "全部设置都符合此服务器的需要"},
		{"say what becomes of a request for a module, and why", "说明对某个模块的请求会怎样处理，以及原因"},
		{"Prints which rule and which route hold for a module, who is asked for it and in which order, which credentials go with that (never what is in them), what proves its files, how long answers stay fresh, and what is stored and recorded of it: of a version, or of the list and of a query such as latest or main, which is the last answer and how old it is. Nothing is asked of anybody, and nothing is changed.",
			"打印某个模块适用哪条规则和哪条路由、依次询问谁、随之发送哪些凭据（绝不显示其内容）、由什么证明它的文件、答复多久内是新的，以及存储和记录了它的什么：对于版本；或对于列表和 latest、main 之类的查询，即最后的答复及其时间。不询问任何人，也不改变任何东西。"},
		{"It needs the same settings as the server, and may run while that does.", "它需要与服务器相同的设置，可以在服务器运行时使用。"},
		{"Why does this version not come?", "为什么取不到这个版本？"},
		{"What is the list of versions, and how old is it?", "版本列表是什么，有多旧？"},
		{"%q is not MODULE or MODULE@QUERY, such as golang.org/x/text@v0.14.0", "%q 不是 MODULE 或 MODULE@QUERY，例如 golang.org/x/text@v0.14.0"},
		{"%s stands above the private %s: no public upstream hears of it", "%s 位于私有的 %s 之上：不会让任何公共上游知道它"},
		{"%s is public", "%s 是公开的"},
		{"%s, of routes", "%s（来自 routes）"},
		{"%s, of %s", "%s（来自 %s）"},
		{"its host looks internal (%s), and no rule covers it; leak_guard is %s", "它的主机看起来是内部的（%s），且没有规则涵盖它；leak_guard 为 %s"},
		{"to %s: the user and the password of its address", "发给 %s：其地址中的用户名和密码"},
		{"to %s: the token in %s", "发给 %s：%s 中的令牌"},
		{"to %s: user and password of netrc (%s)", "发给 %s：netrc（%s）中的用户名和密码"},
		{"to %s: the client certificate in %s", "发给 %s：%s 中的客户端证书"},
		{"to %s: the headers in %s", "发给 %s：%s 中的请求头"},
		{"to its host: no credential is configured", "发给其主机：没有配置凭据"},
		{"to %s: what direct_credentials has for it", "发给 %s：direct_credentials 中为它配置的凭据"},
		{"to its host: what %s have for it", "发给其主机：%s 中为它准备的内容"},
		{"lists, latest and branches are asked for again after %s; files never", "列表、latest 和分支在 %s 之后重新询问；文件从不"},
		{"%s is private: it matches %s", "%s 是私有的：匹配 %s"},
		{"%s is public: no pattern of private matches it", "%s 是公开的：private 中没有匹配它的模式"},
		{"%d. version control (direct)", "%d. 版本控制系统（direct）"},
		{"nobody: only what is stored is served", "不询问任何人：只提供已存储的内容"},
		{"%d public entries of upstreams, which hear of no private module", "upstreams 中的 %d 个公共条目，它们不会得知任何私有模块"},
		{"by the ledger: what was served first", "由账本：以首次提供的内容为准"},
		{"by the ledger alone: there is no checksum database (sumdb: off)", "仅由账本：没有校验和数据库（sumdb: off）"},
		{"by the ledger: checksum_bypass excepts it (%s)", "由账本：checksum_bypass 将其列为例外（%s）"},
		{"by %s; refused while that cannot be asked", "由 %s；无法询问它时拒绝"},
		{"by %s; served unverified while that cannot be asked", "由 %s；无法询问它时未经校验即提供"},
		{"for clients by %s too", "对客户端还由 %s"},
		{"nothing of %s", "没有 %s 的内容"},
		{".%s %s, first served %s from %s", ".%s %s，首次提供于 %s，来自 %s"},
		{"proven by %s in a tree of %d records", "由 %s 在含 %d 条记录的树中证明"},
		{"nothing proves it", "没有任何证明"},
		{"the list of versions", "版本列表"},
		{"no answer to %s", "没有对 %s 的应答"},
		{"%s, as %s had it on %s, %s ago; asked again after %s", "%s，%s 于 %s 的应答，已过 %s；%s 后重新询问"},
	}
}

// chineseToken is about the commands token and goauth.
func chineseToken() []entry {
	return []entry{
		{"make, list and revoke tokens of clients", "创建、列出和撤销客户端的令牌"},
		{`A token is what a client shows to a server that asks who it is: as a bearer token, or as
			the password of any user, for instance in ~/.netrc. The file of tokens keeps their hashes
			alone. Servers that use it see a change within a second.`,
			"令牌是客户端向要求身份的服务器出示的凭据：可作为 bearer 令牌，也可作为任意用户的密码，例如写在 ~/.netrc 中。令牌文件只保存其哈希。使用该文件的服务器在一秒内得知变化。"},
		{"The file of tokens; without it the file tokens in the state directory", "令牌文件；不给出时为状态目录中的文件 tokens"},
		{"make a token and print it", "创建令牌并打印"},
		{"The groups that whoever has it is in, separated by commas", "令牌持有者所属的组，以逗号分隔"},
		{"How long it is good, such as 90d or 12h; without it for ever", "有效期，例如 90d 或 12h；不给出时永久有效"},
		{`Makes a token for a client that is to be called NAME and prints it, alone on standard
			output. It is kept nowhere and cannot be shown again. It goes into the client's
			~/.netrc, as the password of any user, or into MODHAVEN_TOKEN for modhaven goauth.`,
			"为名为 NAME 的客户端创建令牌并打印，标准输出中只有它。令牌不会保存在任何地方，也无法再次显示。它可写入客户端的 ~/.netrc，作为任意用户的密码，或放入 MODHAVEN_TOKEN 供 modhaven goauth 使用。"},
		{`A name whose token is revoked or expired can be used again. To replace a token without
			a gap, make one of another name and revoke the old one afterwards.`,
			"令牌已撤销或过期的名称可以再次使用。要不间断地更换令牌，请先以另一名称创建新令牌，然后撤销旧令牌。"},
		{"For the builds of a team", "供一个团队的构建使用"},
		{"Into a file that nobody else can read", "写入他人无法读取的文件"},
		{"%q is no name of a token or a group: letters, digits and . _ @ / + - are possible, 64 in all", "%q 不是令牌或组的名称：可用字母、数字和 . _ @ / + -，最多 64 个字符"},
		{"%s: the token could not be printed, so revoke it: %s", "%s：令牌未能打印，请撤销它：%s"},
		{"%s: groups %s, expires %s; the token is shown this once\n", "%s：组 %s，过期时间 %s；令牌只显示这一次\n"},
		{"never", "永不"},
		{"list the tokens", "列出令牌"},
		{"Print a JSON object for each token, one a line", "为每个令牌打印一个 JSON 对象，每行一个"},
		{`Prints a line for each token: its name, whether it is good, its groups, and when it was
			made and expires. No secret is shown, since none is kept.`,
			"为每个令牌打印一行：名称、是否有效、所属的组、创建时间和过期时间。不显示任何秘密，因为没有保存。"},
		{`As JSON a token has the keys name, state (good, expired or revoked), groups, created and,
			where there is one, expires and revoked. Times are UTC.`,
			"JSON 形式中，令牌有键 name、state（good、expired 或 revoked）、groups、created，以及存在时的 expires 和 revoked。时间为 UTC。"},
		{"Those that are good, for a script", "仍然有效的令牌，供脚本使用"},
		{"good", "有效"},
		{"revoked", "已撤销"},
		{"expired", "已过期"},
		{"%s: %s, groups %s, made %s, expires %s\n", "%s：%s，组 %s，创建于 %s，过期时间 %s\n"},
		{"end a token", "使令牌失效"},
		{"Ends the token of that name. Servers that use the file refuse it within a second.", "使该名称的令牌失效。使用该文件的服务器在一秒内开始拒绝它。"},
		{"A token that was published", "已被公开的令牌"},

		{"give the go command a token for a server", "向 go 命令提供服务器的令牌"},
		{"A server that may have the token, https://HOST with or without a path; may be given several times", "可以得到令牌的服务器，https://HOST，可带路径；可多次给出"},
		{"The file with the token; it goes before the environment", "存放令牌的文件；先于环境变量"},
		{"The audience of a token from GitHub Actions; without it the first URL", "来自 GitHub Actions 的令牌的受众（audience）；不给出时为第一个 URL"},
		{"--url is missing: the server that may have the token, such as https://go.corp.example", "缺少 --url：可以得到令牌的服务器，例如 https://go.corp.example"},
		{"there is no token: set MODHAVEN_TOKEN or --token-file; a job of GitHub Actions needs the permission id-token: write, one of GitLab an id_token of the name MODHAVEN_TOKEN",
			"没有令牌：请设置 MODHAVEN_TOKEN 或 --token-file；GitHub Actions 的作业需要权限 id-token: write，GitLab 的作业需要名为 MODHAVEN_TOKEN 的 id_token"},
		{`Prints a token for the servers at URL as the go command wants it (go help goauth): it
			runs this by itself when GOAUTH names it, so that no ~/.netrc is needed. No other server
			gets the token, and none gets it but over https.`,
			"按 go 命令要求的格式打印用于 URL 处服务器的令牌（go help goauth）：GOAUTH 指明此命令时，go 命令会自行运行它，因此不需要 ~/.netrc。其他服务器得不到令牌，且只通过 https 传送。"},
		{`The token is that of --token-file, else of MODHAVEN_TOKEN, else one that GitHub Actions
			gives to the job. For GitLab, an id_token of the name MODHAVEN_TOKEN is enough.`,
			"令牌取自 --token-file，否则取自 MODHAVEN_TOKEN，否则是 GitHub Actions 给予作业的令牌。对 GitLab，只需名为 MODHAVEN_TOKEN 的 id_token。"},
		{`ASKED is what the go command adds when a server at that URL has refused: then the
			response on standard input says whether a token could help, which is not so for a module
			that does not exist.`,
			"ASKED 由 go 命令在该 URL 处的服务器拒绝之后添加：此时标准输入中的应答说明令牌是否有用；对不存在的模块则无用。"},
		{"The token", "令牌"},
		{"Where a job of GitHub Actions gets a token that says what it is", "GitHub Actions 的作业由此取得说明其身份的令牌"},
		{"there is no token, or it failed; the reason is on standard error, which go shows with -x", "没有令牌，或失败；原因见标准错误，go 带 -x 时会显示"},
		{"For all builds of a user", "供一个用户的所有构建使用"},
		{"In a job of GitHub Actions", "在 GitHub Actions 的作业中"},
	}
}
