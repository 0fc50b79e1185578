package postgres

import (
	"context"
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

// signs are the words of a search that join others, as the server has them.
var signs = map[string]string{"AND": " & ", "OR": " | ", "NOT": " & !"}

// tsquery returns a search in FTS5's language as to_tsquery has it: words, "phrases", a
// word's beginning with *, AND, OR, NOT, parentheses, and a column with a colon before one
// of these. What else FTS5 has, NEAR and ^, is an error. What is not joined as it should be
// the server refuses, and it leaves out what has no word.
func tsquery(search string) (string, error) {
	var b strings.Builder
	and := "" // before the next word, where nothing is said
	for token, rest := cutToken(search); token != ""; token, rest = cutToken(rest) {
		sign, isSign := signs[token]
		switch {
		case isSign:
			b.WriteString(sign)
			and = ""
			continue
		case token == "(":
			b.WriteString(and + token)
			and = ""
			continue
		case token == ")":
			b.WriteString(token)
			and = signs["AND"]
			continue
		}
		weight := weights[strings.ToLower(token)]
		if colon, after := cutToken(rest); weight != "" && colon == ":" {
			token, rest = cutToken(after)
		} else {
			weight = ""
		}
		if signs[token] != "" || !isWord(token) && (len(token) < 2 || token[0] != '"' || token[len(token)-1] != '"') {
			return "", fmt.Errorf("search for %q: a word or a quotation mark is missing before %q", search, token+rest)
		}
		begins := ""
		if star, after := cutToken(rest); star == "*" {
			begins, rest = star, after
		}
		b.WriteString(and + phrase(token, begins, weight))
		and = signs["AND"]
	}
	return b.String(), nil
}

// cutToken returns the first token of a search: a word, a phrase with its quotes, or one
// sign; nothing at the end.
func cutToken(search string) (token, rest string) {
	search = strings.TrimLeftFunc(search, unicode.IsSpace)
	end := strings.IndexFunc(search, func(r rune) bool { return r < 0x80 && !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	switch {
	case strings.HasPrefix(search, `"`):
		if end = strings.IndexByte(search[1:], '"') + 2; end == 1 { // which is an error then
			end = len(search)
		}
	case end == 0:
		end = 1
	case end < 0:
		end = len(search)
	}
	return search[:end], search[end:]
}

// phrase returns the words of a token, the last of which may only begin so, all of a
// column's, if one is said.
func phrase(token, begins, weight string) string {
	words := strings.FieldsFunc(fold(token), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "' '"
	}
	for i, w := range words {
		words[i] = "'" + w + "':" + weight
	}
	return "(" + strings.Join(words, " <-> ") + begins + ")"
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
