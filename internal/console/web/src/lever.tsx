// Levers: what an operator does to an endpoint by hand. Each asks why.
import { useState } from "preact/hooks";
import { call, leverPath, type Endpoint, type Lever, type LeverKind, type Service } from "./api";
import { able } from "./findings";
import { plural } from "./format";
import { Field, Modal, useKept } from "./parts";
import { useName } from "./session";

export const leverNames: Record<LeverKind, { act: string; undo: string; says: string }> = {
  drain: { act: "Drain", undo: "End the drain", says: "It gets no new requests; those under way end." },
  isolate: { act: "Isolate", undo: "Readmit", says: "Its breaker is held open, whatever it would find by itself." },
  weight: { act: "Weigh", undo: "Its own weight", says: "It gets requests in proportion to its weight and those of the others." },
};

export interface Wanted {
  kind: LeverKind;
  endpoint: string;
  // undo is the lever that is to be taken back.
  undo?: Lever;
}

export function LeverDialog({ service, wanted, close }: { service: Service; wanted: Wanted; close: () => void }) {
  const name = useName();
  const [who, setWho] = useKept("who", "");
  const [why, setWhy] = useState("");
  const endpoint = service.endpoints.find((e) => e.address === wanted.endpoint);
  const [weight, setWeight] = useState(String(endpoint?.weight ?? 1));
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const words = leverNames[wanted.kind];
  const path = leverPath(service.name, wanted.endpoint, wanted.kind);
  const send = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    try {
      if (wanted.undo) await call("DELETE", `${path}?${new URLSearchParams({ why, who })}`);
      else await call("PUT", path, { why, who, weight: wanted.kind === "weight" ? Number(weight) : undefined });
      close();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Modal title={`${wanted.undo ? words.undo : words.act}: ${wanted.endpoint}`} close={close}>
      <form onSubmit={send}>
        {wanted.undo ? <p>It was done{wanted.undo.who && ` by ${wanted.undo.who}`}: “{wanted.undo.why}”</p> : <Consequence service={service} endpoint={endpoint} kind={wanted.kind} />}
        {wanted.kind === "weight" && !wanted.undo && (
          <Field label="Weight" hint="From 1 to 1000">
            <input type="number" min="1" max="1000" required value={weight} onInput={(e) => setWeight(e.currentTarget.value)} />
          </Field>
        )}
        <Field label="Why" hint="Whoever comes next will read it">
          <textarea rows={2} maxLength={500} required autofocus value={why} onInput={(e) => setWhy(e.currentTarget.value)} />
        </Field>
        {!name && (
          <Field label="Your name">
            <input maxLength={100} autocomplete="username" value={who} onInput={(e) => setWho(e.currentTarget.value)} />
          </Field>
        )}
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="actions">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button class={wanted.undo || wanted.kind === "weight" ? "primary" : "danger"} disabled={busy}>
            {wanted.undo ? words.undo : words.act}
          </button>
        </div>
      </form>
    </Modal>
  );
}

// Consequence says what will be left.
function Consequence({ service, endpoint, kind }: { service: Service; endpoint?: Endpoint; kind: LeverKind }) {
  const left = able(service).filter((e) => e.address !== endpoint?.address).length;
  return (
    <p>
      {leverNames[kind].says}
      {kind !== "weight" &&
        (left === 0 ? (
          <strong class="bad"> No endpoint of {service.name} will be left: all its requests will be answered with 503.</strong>
        ) : (
          ` ${plural(left, "endpoint")} of ${service.name} will be left.`
        ))}
    </p>
  );
}
