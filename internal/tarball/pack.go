package tarball

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"facerec/internal/release"
	"facerec/internal/sums"
)

// Job is one archive to be made.
type Job struct {
	Name   string    // for errors and progress
	Tree   Tree      // what goes in
	Prefix string    // the top directory; see [WriteTar]
	Stream *Stream   // what is compressed in place of a tree's archive; nil: that
	Recipe Recipe    // how it is compressed
	Out    io.Writer // takes the file; nil to learn the digests only
}

// Result is what a job came to.
type Result struct {
	Name     string
	Tar      release.Digest // of the tar stream
	File     release.Digest // of the file
	TarSize  int64          // bytes
	FileSize int64          // bytes
}

// Options say how work is done. They have no influence on any byte of an
// archive. The zero value is a good choice.
type Options struct {
	Workers   int   // how much is done at the same time; 0 for one for each CPU
	ChunkSize int64 // bytes that are parsed at a time; 0 for 512 KiB
	Window    int   // parsed chunks that may wait to be coded; 0 for as many as the workers need

	// Progress, if not nil, is told how many bytes of a job's tar stream have
	// been dealt with, of how many. Calls for different jobs can come at the
	// same time.
	Progress func(job string, done, total int64)
}

func (o Options) filled() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.ChunkSize <= 0 {
		o.ChunkSize = 512 << 10
	}
	o.ChunkSize = max(o.ChunkSize, 4*minChunk)
	if o.Window <= 0 {
		o.Window = o.Workers + 1
	}
	return o
}

// Pack makes all archives in one go. What they have in common is read from the
// trees' contents and parsed once, whatever the number of archives, and archives that
// turn out to be the same are made once. Memory does not grow with the size of the
// archives: it is about 1.5 MB for each worker, 3 MB for each waiting chunk, and 300 KB
// for each archive, with the default chunk size.
//
// On an error, which names the job, nothing can be said about what the jobs'
// outputs have been given. A cancelled context ends the work within a chunk.
func Pack(ctx context.Context, jobs []Job, o Options) ([]Result, error) {
	lines := make([]*line, len(jobs))
	for i, j := range jobs {
		var s stream = j.Stream
		if j.Stream == nil {
			tar, err := newTarStream(j.Tree, j.Prefix)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", j.Name, err)
			}
			s = tar
		}
		if _, err := ParseRecipe(string(j.Recipe)); err != nil {
			return nil, fmt.Errorf("%s: %w", j.Name, err)
		}
		lines[i] = newLine(j.Name, s, j.Recipe, j.Out)
	}
	if err := run(ctx, lines, o.filled()); err != nil {
		return nil, err
	}
	results := make([]Result, len(jobs))
	for i, l := range lines {
		results[i] = l.result()
	}
	return results, nil
}

// line is an archive in the making. It is used by one goroutine at a time.
type line struct {
	name   string
	src    stream
	recipe Recipe
	out    io.Writer
	twins  []*line // others that are the same archive, which is made for them too
	first  *line   // whose twin it is
	failed string  // the twin that could not be written; "" for none
	bits   *bitWriter
	def    *deflater

	spans []span
	tail  int64 // where the tail begins
	at    state // of the parse; positions are the stream's

	crc      uint32
	tar      hash.Hash
	owed     []byte // of the stream, which tar has not had yet
	file     hash.Hash
	fileSize int64
}

func newLine(name string, src stream, recipe Recipe, out io.Writer) *line {
	return &line{name: name, src: src, recipe: recipe, out: out}
}

// start makes ready for the first chunk.
func (l *line) start() {
	l.tar, l.file = sha256.New(), sha256.New()
	l.bits = newBitWriter(l)
	l.def = newDeflater(l.bits, l.src)
	l.at = fresh(0)
	if l.src.size() > 0 {
		l.at = begin()
	}
}

// lay cuts the stream and names the pieces. The names of all of them tell
// archives apart.
func (l *line) lay(ctx context.Context, c cutter) (lane, [sha256.Size]byte, error) {
	l.spans, l.tail = spans(l.src, c)
	names := make([]chunkName, len(l.spans))
	h := sha256.New()
	for k, s := range l.spans {
		if err := ctx.Err(); err != nil {
			return lane{}, [sha256.Size]byte{}, err
		}
		var err error
		if names[k], err = s.name(l.src); err != nil {
			return lane{}, [sha256.Size]byte{}, fmt.Errorf("%s: %w", l.name, err)
		}
		h.Write(names[k][:])
	}
	rest, err := hashOf(l.src, l.tail, l.src.size(), l.src.size())
	if err != nil {
		return lane{}, rest, fmt.Errorf("%s: %w", l.name, err)
	}
	h.Write(rest[:])
	h.Write([]byte(l.recipe))
	return lane{spans: l.spans, names: names}, [sha256.Size]byte(h.Sum(nil)), nil
}

// Write takes the finished file's bytes. The stream's sum goes on along with theirs.
func (l *line) Write(p []byte) (int, error) {
	n := min(len(p), len(l.owed))
	sums.WriteBoth(l.file, p, l.tar, l.owed[:n])
	l.owed = l.owed[n:]
	l.fileSize += int64(len(p))
	for _, t := range l.twins {
		if _, err := t.put(p); err != nil {
			l.failed = t.name
			return 0, err
		}
	}
	return l.put(p)
}

func (l *line) put(p []byte) (int, error) {
	if l.out == nil {
		return len(p), nil
	}
	return l.out.Write(p)
}

// fail is what stopped the archive.
func (l *line) fail(err error) error {
	return fmt.Errorf("%s: %w", cmp.Or(l.failed, l.name), err)
}

func (l *line) result() Result {
	made := l
	if l.first != nil {
		made = l.first
	}
	return Result{
		Name:     l.name,
		Tar:      release.DigestOf([sha256.Size]byte(made.tar.Sum(nil))),
		File:     release.DigestOf([sha256.Size]byte(made.file.Sum(nil))),
		TarSize:  made.src.size(),
		FileSize: made.fileSize,
	}
}

// sum takes the stream's next bytes into the checksums. They must stay as they are until
// settle.
func (l *line) sum(p []byte) {
	l.owed = p
	l.crc = crc32.Update(l.crc, crc32.IEEETable, p)
}

// settle gives tar what it has not had yet.
func (l *line) settle() {
	l.tar.Write(l.owed)
	l.owed = nil
}

// err is the first thing that went wrong.
func (l *line) err() error {
	return errors.Join(l.def.err, l.bits.err)
}

// take goes on with a parsed chunk, which lies at s in this stream.
func (l *line) take(w *worker, c *chunk, s span) error {
	l.sum(c.buf[c.start-c.lo : c.end-c.lo])
	lo := int(s.lo)
	l.at = c.into(&w.m, l.at.shifted(-lo), l.def).shifted(lo)
	l.settle()
	return l.err()
}

// finish deals with the tail and ends the file.
func (l *line) finish(w *worker) error {
	total := l.src.size()
	lo := max(0, l.tail-chunkBehind)
	n := int(total - lo)
	if cap(w.buf) < n+searchAhead {
		w.buf = make([]byte, n+searchAhead)
	}
	w.buf = w.buf[:n+searchAhead]
	clear(w.buf[n:])
	if err := readFull(l.src, w.buf[:n], lo); err != nil {
		return err
	}
	l.sum(w.buf[l.tail-lo : n])

	t := tail{total: total, at: lo}
	l.def.base = t.base
	if total > 0 {
		s := l.at.shifted(-int(lo))
		first := max(0, s.pos-1-maxDist)
		if lo == 0 {
			first = max(1, first)
		}
		w.m.reset(w.buf, first, n-lookahead)
		w.toks = t.parse(&w.m, s, w.toks[:0])
		l.def.add(w.toks, nil, nil, 0)
	}
	l.def.flush(true)
	l.bits.align()
	l.bits.bytes(gzipTrailer(l.crc, total))
	l.bits.flush()
	l.settle()
	return l.err()
}

// worker is what a piece of work needs besides its data; whoever holds one may
// use a CPU.
type worker struct {
	m    matcher
	few  sparse
	buf  []byte
	toks []token
}

// waiting is a planned chunk on its way from the parse to the archives.
type waiting struct {
	planned
	chunk *chunk
	ready chan struct{}
	err   error
	left  atomic.Int32 // archives that have not taken it yet
}

// distinct gives the lines that have to be made, each with its lane, and makes the others
// their twins.
func distinct(ctx context.Context, all []*line, c cutter) (lines []*line, lanes []lane, err error) {
	first := map[[sha256.Size]byte]*line{}
	for _, l := range all {
		lane, name, err := l.lay(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		if f := first[name]; f != nil {
			l.first, f.twins = f, append(f.twins, l)
			continue
		}
		first[name] = l
		l.start()
		lines, lanes = append(lines, l), append(lanes, lane)
	}
	return lines, lanes, nil
}

// run makes all archives: one goroutine for each, which takes its chunks in
// order, and one for each chunk that is being parsed, Window chunks ahead at
// most. Chunks are handed out in the plan's order and every archive keeps to
// it, so that the oldest chunk under way never waits for a younger one.
func run(ctx context.Context, lines []*line, o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lines, lanes, err := distinct(ctx, lines, cutter{o.ChunkSize})
	if err != nil {
		return err
	}
	steps := plan(lanes)
	queue := make([]*waiting, len(steps))
	mine := make([][]*waiting, len(lines))
	for i, p := range steps {
		q := &waiting{planned: p, ready: make(chan struct{})}
		q.left.Store(int32(len(p.takes)))
		queue[i] = q
		for _, k := range p.takes {
			mine[k] = append(mine[k], q)
		}
	}

	workers := make(chan *worker, o.Workers)
	for range o.Workers {
		workers <- new(worker)
	}
	slots := make(chan *chunk, o.Window)
	for range o.Window {
		slots <- new(chunk)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, q := range queue {
			select {
			case <-ctx.Done():
				return
			case q.chunk = <-slots:
			}
			wg.Go(func() {
				defer close(q.ready)
				w, ok := hire(ctx, workers)
				if !ok {
					q.err = context.Cause(ctx)
					return
				}
				if q.err = q.chunk.load(lines[q.from].src, q.span); q.err == nil {
					q.chunk.parse(w)
					if len(q.takes) > 1 {
						q.chunk.count()
					}
				}
				workers <- w
			})
		}
	})
	for i, l := range lines {
		wg.Go(func() {
			if err := l.follow(ctx, mine[i], i, workers, slots, o); err != nil {
				cancel(l.fail(err))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// hire waits for a worker; false when the work is off.
func hire(ctx context.Context, workers chan *worker) (*worker, bool) {
	select {
	case <-ctx.Done():
		return nil, false
	case w := <-workers:
		return w, true
	}
}

// follow makes one archive of its chunks.
func (l *line) follow(ctx context.Context, chunks []*waiting, me int, workers chan *worker, slots chan *chunk, o Options) error {
	if _, err := l.Write(gzipHeader); err != nil {
		return err
	}
	for _, q := range chunks {
		select {
		case <-ctx.Done():
			return nil
		case <-q.ready:
		}
		if q.err != nil {
			return q.err
		}
		w, ok := hire(ctx, workers)
		if !ok {
			return nil
		}
		err := l.take(w, q.chunk, q.place(me))
		workers <- w
		if err != nil {
			return err
		}
		if q.left.Add(-1) == 0 {
			slots <- q.chunk
			q.chunk = nil
		}
		l.tell(o, q.place(me).end)
	}
	w, ok := hire(ctx, workers)
	if !ok {
		return nil
	}
	err := l.finish(w)
	workers <- w
	if err == nil {
		l.tell(o, l.src.size())
	}
	return err
}

func (l *line) tell(o Options, done int64) {
	if o.Progress == nil {
		return
	}
	o.Progress(l.name, done, l.src.size())
	for _, t := range l.twins {
		o.Progress(t.name, done, l.src.size())
	}
}

// place is where the chunk is in archive i.
func (p *planned) place(i int) span {
	for k, t := range p.takes {
		if t == i {
			return p.spans[k]
		}
	}
	return span{}
}
