package release

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"iter"
)

// EntriesSum stands for a list of entries that is not kept, of which there may be
// very many: lists with the same sum are the same.
type EntriesSum struct {
	Count int
	sum   [sha256.Size]byte
}

// SumEntries is the sum of a list.
func SumEntries(entries iter.Seq[RecordEntry]) EntriesSum {
	s := newEntriesSummer()
	for e := range entries {
		s.add(&e)
	}
	return s.end()
}

// EntriesSum is that of the cell's entries, whether they are in the record or were
// left out by [SumRecord].
func (c RecordCell) EntriesSum() EntriesSum {
	if c.Entries != nil {
		return SumEntries(c.listed())
	}
	return c.sum
}

// sumBlock is how many entries are hashed together. The sum of a list is that of the
// sums of its blocks: a block that is known need not be looked at again.
const sumBlock = 256

// entriesSummer makes the sum of entries as they come.
type entriesSummer struct {
	count int
	block []byte  // entries that are not in blocks yet
	in    int     // how many
	sums  *Hasher // of blocks
}

func newEntriesSummer() *entriesSummer { return &entriesSummer{sums: NewHasher()} }

func (s *entriesSummer) add(e *RecordEntry) {
	s.block = e.appendPlain(s.block)
	if s.in++; s.in == sumBlock {
		s.addBlock(s.endBlock())
	}
}

// endBlock is the sum of the block that was begun.
func (s *entriesSummer) endBlock() blockSum {
	b := blockSum{sha256.Sum256(s.block), s.in}
	s.block, s.in = s.block[:0], 0
	return b
}

func (s *entriesSummer) addBlock(b blockSum) {
	s.sums.Write(b.sum[:])
	s.count += b.count
}

func (s *entriesSummer) end() EntriesSum {
	if s.in > 0 {
		s.addBlock(s.endBlock())
	}
	return EntriesSum{s.count, s.sums.Digest().sum}
}

type blockSum struct {
	sum   [sha256.Size]byte
	count int
}

// appendPlain appends all that the entry says, so that no two entries, and no two
// lists of them, give the same bytes.
func (e *RecordEntry) appendPlain(b []byte) []byte {
	for _, s := range [...]string{e.Name, e.Type, e.Link} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = binary.AppendVarint(binary.AppendUvarint(b, uint64(e.Mode)), e.Size)
	if e.SHA256 == nil {
		return append(b, 0)
	}
	return append(append(b, 1), e.SHA256.sum[:]...)
}

// SumRecord is [ReadRecord], but keeps no entries: each cell has the sum of its own
// instead. It does not take a cell whose first entry is not the top directory or
// whose others do not rise, which ReadRecord does.
func SumRecord(from io.Reader) (Record, bool) {
	return readRecord(from, &recordReader{known: map[Digest]knownBlock{}})
}

// knownBlock is a block of entries that were found to be as they should be.
type knownBlock struct {
	blockSum
	top         bool   // the first is the top directory
	first, last string // names
}

// maxBlockBytes is how long a block may be in the record.
const maxBlockBytes = 4 << 20

// sumEntries reads the entries of a cell, and takes apart the blocks that no cell
// before has.
func (in *recordReader) sumEntries() error {
	s := newEntriesSummer()
	last := ""
	for more := true; more; {
		var err error
		if more, err = in.readBlock(); err != nil {
			return err
		}
		key := DigestBytes(in.block)
		b, known := in.known[key]
		if !known {
			if b, err = in.parseBlock(s); err != nil {
				return err
			}
			in.known[key] = b
		}
		if b.top != (s.count == 0) || !b.top && ComparePaths(last, b.first) >= 0 {
			return errOther
		}
		last = b.last
		s.addBlock(b.blockSum)
	}
	in.summed = append(in.summed, s.end())
	return nil
}

// readBlock reads the bytes of a block, and whether another follows.
func (in *recordReader) readBlock() (more bool, err error) {
	in.block, in.ends = in.block[:0], in.ends[:0]
	for more = true; more && len(in.ends) < sumBlock; {
		if in.block, more, err = in.entry(in.block); err != nil {
			return false, err
		}
		if len(in.block) > maxBlockBytes {
			return false, errOther
		}
		in.ends = append(in.ends, len(in.block))
	}
	return more, nil
}

// parseBlock reads the entries of the block, and gives their sum by way of s.
func (in *recordReader) parseBlock(s *entriesSummer) (b knownBlock, err error) {
	start := 0
	for i, end := range in.ends {
		in.sums = in.only[:] // the entry before is in the sum
		in.one, start = ended(in.block[start:end]), end
		e, err := in.parseEntry()
		if err != nil {
			return b, err
		}
		if !in.is(&e) || e.validate() != nil {
			return b, errOther
		}
		switch {
		case i == 0:
			b.top, b.first = e.Name == ".", e.Name
		case e.Name == "." || !(b.top && i == 1) && ComparePaths(b.last, e.Name) >= 0:
			return b, errOther
		}
		b.last = e.Name
		s.block = e.appendPlain(s.block)
		s.in++
	}
	b.blockSum = s.endBlock()
	return b, nil
}
