package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"feedmill/internal/store"
)

// indexSQL makes a full-text index that whoever changes an item keeps. Words are
// what they are in SQLite's: runs of letters and digits without accents, as the collation
// that it is given knows them. A text whose words take more than a tsvector holds is found
// by its beginning.
const indexSQL = `
CREATE TABLE search (id bigint NOT NULL PRIMARY KEY, words tsvector NOT NULL);
CREATE INDEX search_words ON search USING gin (words);
CREATE FUNCTION search_plain(t text, most integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT translate(lower(regexp_replace(regexp_replace(normalize(left(t, most), NFD), '[\u0300-\u036f]', '', 'g') COLLATE %s, '[^[:alnum:]]+', ' ', 'g')), 'ς', 'σ')
$$;
CREATE FUNCTION search_of(title text, author text, summary text, content text, most integer) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
  SELECT setweight(to_tsvector('simple', search_plain(title, most)), 'A') || setweight(to_tsvector('simple', search_plain(author, most)), 'B') ||
    setweight(to_tsvector('simple', search_plain(summary, most)), 'C') || setweight(to_tsvector('simple', search_plain(content, most)), 'D')
$$;
CREATE FUNCTION search_words(title text, author text, summary text, content text) RETURNS tsvector LANGUAGE plpgsql AS $$
BEGIN
  RETURN search_of(title, author, summary, content, 1000000);
EXCEPTION WHEN program_limit_exceeded THEN
  RETURN search_of(title, author, summary, content, 50000);
END $$;
CREATE FUNCTION search_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM search WHERE id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO search (id, words) VALUES (NEW.id, search_words(NEW.title, NEW.author, NEW.summary, NEW.content));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER search_follows AFTER INSERT OR DELETE OR UPDATE OF title, author, summary, content ON items
  FOR EACH ROW EXECUTE FUNCTION search_follows();
INSERT INTO search (id, words) SELECT id, search_words(title, author, summary, content) FROM items;`

const noIndexSQL = `
DROP TRIGGER IF EXISTS search_follows ON items;
DROP TABLE IF EXISTS search;
DROP FUNCTION IF EXISTS search_follows, search_words, search_of, search_plain;`

// SetIndex makes the index that store.ItemQuery.Search needs, of all items that are
// there and of those that come, or drops it. An index that is there is made anew.
// Meanwhile nothing can be stored.
func (db *DB) SetIndex(ctx context.Context, on bool) error {
	return db.atLength(ctx, "change the index", func(ctx context.Context, tx pgx.Tx) error {
		text := "LOCK TABLE items IN ACCESS EXCLUSIVE MODE;" + noIndexSQL
		if on {
			// The database's own may know no letters but those of ASCII, or be Turkish.
			collation := ""
			err := tx.QueryRow(ctx, `SELECT quote_ident(coalesce((SELECT collname FROM pg_collation WHERE collname = 'und-x-icu'), 'default'))`).Scan(&collation)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(indexSQL, collation)
		}
		_, err := tx.Conn().PgConn().Exec(ctx, text).ReadAll()
		return err
	})
}

// Indexed reports whether there is an index.
func (db *DB) Indexed(ctx context.Context) (there bool, err error) {
	err = db.ask(ctx, "look for an index", "SELECT to_regclass('search') IS NOT NULL", &there)
	return there, err
}

// weights are the columns that a search may name, as the index knows them.
var weights = map[string]string{"title": "A", "author": "B", "summary": "C", "content": "D"}

// tsquery returns a search in FTS5's language as a tsquery: words, "phrases", a word's
// beginning with *, AND, OR, NOT, parentheses, and a column with a colon before one
// of these. What else FTS5 has, NEAR and ^, is an error.
func tsquery(search string) (string, error) {
	p := &searchParser{rest: search}
	p.next()
	q, err := p.or()
	if err == nil && p.token != "" {
		err = fmt.Errorf("unexpected %s", p.token)
	}
	if err != nil {
		return "", fmt.Errorf("search for %q: %w", search, err)
	}
	return q, nil
}

// A searchParser reads one search, token by token.
type searchParser struct {
	rest   string
	token  string // a word, a phrase with its quotes, or one sign; "" at the end
	phrase bool   // it is a phrase
}

func (p *searchParser) next() {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	p.phrase = false
	if p.rest == "" {
		p.token = ""
		return
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return r < 0x80 && !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	switch {
	case p.rest[0] == '"':
		p.phrase = true
		end = strings.IndexByte(p.rest[1:], '"') + 2
		if end == 1 { // which is an error then
			end = len(p.rest)
		}
	case end == 0:
		end = 1
	case end < 0:
		end = len(p.rest)
	}
	p.token, p.rest = p.rest[:end], p.rest[end:]
}

func (p *searchParser) or() (string, error) {
	left, err := p.and()
	for err == nil && p.token == "OR" {
		p.next()
		var right string
		right, err = p.and()
		left = joined(left, " | ", right)
	}
	return left, err
}

// and is for AND, NOT, which binds more tightly, and for what stands side by side.
func (p *searchParser) and() (string, error) {
	left, err := p.term()
	for err == nil && p.token != "" && p.token != "OR" && p.token != ")" {
		sign := " & "
		switch p.token {
		case "AND":
			p.next()
		case "NOT":
			sign = " & !"
			p.next()
		}
		var right string
		right, err = p.term()
		left = joined(left, sign, right)
	}
	return left, err
}

// joined returns what two queries are together. A phrase without a word is none.
func joined(left, sign, right string) string {
	if left == "" || right == "" {
		return left + right
	}
	return "(" + left + sign + right + ")"
}

func (p *searchParser) term() (string, error) {
	if p.token == "(" {
		p.next()
		q, err := p.or()
		if err == nil && p.token != ")" {
			err = errors.New("a parenthesis is not closed")
		}
		p.next()
		return q, err
	}
	weight := ""
	if w := weights[strings.ToLower(p.token)]; w != "" && strings.HasPrefix(strings.TrimLeft(p.rest, " "), ":") {
		weight = w
		p.next() // the colon
		p.next()
	}
	if p.token == "" || !p.phrase && !isWord(p.token) || p.token == "AND" || p.token == "OR" || p.token == "NOT" {
		return "", fmt.Errorf("a word is missing before %q", p.token+p.rest)
	}
	if p.phrase && (len(p.token) < 2 || p.token[len(p.token)-1] != '"') {
		return "", errors.New("a quotation mark is not closed")
	}
	words := strings.FieldsFunc(fold(strings.Trim(p.token, `"`)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	p.next()
	if p.token == "*" {
		weight = "*" + weight
		p.next()
	}
	if len(words) == 0 {
		return "", nil
	}
	for i, w := range words {
		words[i] = "'" + w + "'"
		if weight != "" && (weight[0] != '*' || i == len(words)-1) {
			words[i] += ":" + weight
		}
	}
	return "(" + strings.Join(words, " <-> ") + ")", nil
}

func isWord(token string) bool {
	return strings.IndexFunc(token, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r >= 0x80 }) == 0
}

// fold returns a text as search_plain has it: in lower case, without accents.
func fold(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case r >= 0x300 && r <= 0x36f:
			return -1
		case r == 'ς':
			return 'σ'
		}
		return r
	}, norm.NFD.String(store.Readable(s))))
}
