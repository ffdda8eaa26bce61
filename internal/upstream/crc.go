package upstream

import "hash/crc32"

// crc32c returns the table that processors compute by themselves.
func crc32c() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
