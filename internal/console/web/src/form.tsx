// What dialogs are made of that do something.
import { useState } from "preact/hooks";
import { Field, useKept } from "./parts";
import { useName } from "./session";

// useForm is what dialogs have in common that do something: a why, a name, and an
// answer.
export function useForm(send: (why: string, who: string) => Promise<unknown>, close: () => void) {
  const known = useName();
  const [said, setWho] = useKept("who", "");
  const [why, setWhy] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    try {
      await send(why, known || said || "console");
      close();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  const fields = (
    <>
      <Field label="Why" hint="Whoever comes next will read it">
        <textarea rows={2} maxLength={500} required autofocus value={why} onInput={(e) => setWhy(e.currentTarget.value)} />
      </Field>
      {!known && (
        <Field label="Your name">
          <input maxLength={100} autocomplete="username" value={said} onInput={(e) => setWho(e.currentTarget.value)} />
        </Field>
      )}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
  return { submit, fields, busy };
}

export function Buttons({ close, act, danger, busy }: { close: () => void; act: string; danger?: boolean; busy: boolean }) {
  return (
    <div class="actions">
      <button type="button" onClick={close}>
        Cancel
      </button>
      <button class={danger ? "danger" : "primary"} disabled={busy}>
        {act}
      </button>
    </div>
  );
}
